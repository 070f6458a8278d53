# NixOS: evaluates a fleet's Sources into Deployments, and serves them to its agents. It never builds.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.claveld;
  file = (pkgs.formats.toml { }).generate "claveld.toml" ({
    fleet = cfg.fleet;
    listen = cfg.listen;
    nix = "${config.nix.package}/bin/nix";
    plain_http = cfg.plainHttp;
  } // lib.optionalAttrs (cfg.tlsCertificate != null) {
    tls_certificate = cfg.tlsCertificate;
    tls_key = "/run/credentials/claveld.service/key.pem";
  } // lib.optionalAttrs (cfg.nats != null) {
    nats = cfg.nats // lib.optionalAttrs (cfg.natsKey != null) { nkey_file = "/run/credentials/claveld.service/nkey"; };
  });
in
{
  options.services.claveld = {
    enable = lib.mkEnableOption "claveld, the coordinator of Clavel";
    package = lib.mkOption { type = lib.types.package; description = "clavel-tui[claveld]"; };
    fleet = lib.mkOption { type = lib.types.str; example = "/srv/fleet/hosts"; description = "The folder of fleet.toml."; };
    listen = lib.mkOption { type = lib.types.str; default = "127.0.0.1:8420"; description = "Address and port."; };
    plainHttp = lib.mkOption { type = lib.types.bool; default = false; description = "Also where others could listen: behind a proxy, or inside a VPN."; };
    tlsCertificate = lib.mkOption { type = lib.types.nullOr lib.types.str; default = null; description = "PEM; with tlsKey."; };
    tlsKey = lib.mkOption { type = lib.types.nullOr lib.types.str; default = null; description = "PEM; read by systemd as root."; };
    nats = lib.mkOption {
      type = lib.types.nullOr (lib.types.attrsOf (lib.types.either lib.types.bool lib.types.str));
      default = null;
      example = { url = "tls://nats.example.org:4222"; };
      description = "[nats]: the server by way of which several claveld are one.";
    };
    natsKey = lib.mkOption { type = lib.types.nullOr lib.types.str; default = null; description = "Of `claveld key`; read by systemd as root."; };
  };

  config = lib.mkIf cfg.enable {
    assertions = [{
      assertion = (cfg.tlsCertificate == null) == (cfg.tlsKey == null);
      message = "services.claveld: tlsCertificate and tlsKey go together";
    }];
    environment.systemPackages = [ cfg.package ];
    environment.etc."claveld/claveld.toml".source = file;
    systemd.services.claveld = {
      description = "claveld: evaluates Sources into Deployments and serves them to agents";
      wantedBy = [ "multi-user.target" ];
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      path = [ config.nix.package pkgs.git ];
      environment = { HOME = "%S/claveld"; XDG_CACHE_HOME = "%C/claveld"; };
      # The checkout is somebody else's, and git, which Nix asks, reads none of those unless it is told to.
      preStart = "${pkgs.git}/bin/git config --global --replace-all safe.directory '*' || true";
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/claveld --config ${file} serve";
        LoadCredential = lib.optional (cfg.tlsKey != null) "key.pem:${cfg.tlsKey}"
          ++ lib.optional (cfg.natsKey != null) "nkey:${cfg.natsKey}";
        Restart = "always";
        RestartSec = 2;
        TimeoutStopSec = 20;
        DynamicUser = true;
        StateDirectory = "claveld";
        StateDirectoryMode = "0700";
        CacheDirectory = "claveld";
        UMask = "0077";
        ProtectSystem = "strict";
        ProtectHome = true;
        PrivateTmp = true;
        PrivateDevices = true;
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProcSubset = "pid";
        NoNewPrivileges = true;
        CapabilityBoundingSet = "";
        LockPersonality = true;
        RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" ];
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        RemoveIPC = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = [ "@system-service" "~@privileged @resources" ];
        MemoryMax = "12G";
        TasksMax = 256;
        LimitNOFILE = 65536;
      };
    };
  };
}
