# nix-darwin: claveld under launchd, as a user of its own: it evaluates code of the fleet's repository.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.claveld;
  file = (pkgs.formats.toml { }).generate "claveld.toml" ({
    fleet = cfg.fleet;
    listen = cfg.listen;
    # An installer that looks after Nix itself (nix.enable = false) leaves nix-darwin none to name.
    nix = if config.nix.enable then "${config.nix.package}/bin/nix" else "/nix/var/nix/profiles/default/bin/nix";
    plain_http = cfg.plainHttp;
  } // lib.optionalAttrs (cfg.tlsCertificate != null) {
    tls_certificate = cfg.tlsCertificate;
    tls_key = cfg.tlsKey;
  } // lib.optionalAttrs (cfg.nats != null) { nats = cfg.nats; });
in
{
  options.services.claveld = {
    enable = lib.mkEnableOption "claveld, the coordinator of Clavel";
    package = lib.mkOption { type = lib.types.package; description = "clavel-tui[claveld]"; };
    fleet = lib.mkOption { type = lib.types.str; example = "/opt/fleet/hosts"; description = "The folder of fleet.toml. _claveld has to read it, which it may not in anybody's home."; };
    listen = lib.mkOption { type = lib.types.str; default = "127.0.0.1:8420"; description = "Address and port."; };
    plainHttp = lib.mkOption { type = lib.types.bool; default = false; description = "Also where others could listen: behind a proxy, or inside a VPN."; };
    tlsCertificate = lib.mkOption { type = lib.types.nullOr lib.types.str; default = null; description = "PEM; with tlsKey."; };
    tlsKey = lib.mkOption { type = lib.types.nullOr lib.types.str; default = null; description = "PEM; readable by _claveld alone."; };
    nats = lib.mkOption {
      type = lib.types.nullOr (lib.types.attrsOf (lib.types.either lib.types.bool lib.types.str));
      default = null;
      example = { url = "tls://nats.example.org:4222"; nkey_file = "/var/lib/claveld/nkey"; };
      description = "[nats]: the server by way of which several claveld are one.";
    };
    uid = lib.mkOption { type = lib.types.int; default = 399; description = "Of the user _claveld and of its group; macOS keeps 200 to 400 for such."; };
  };

  config = lib.mkIf cfg.enable {
    assertions = [{
      assertion = (cfg.tlsCertificate == null) == (cfg.tlsKey == null);
      message = "services.claveld: tlsCertificate and tlsKey go together";
    }];
    # A group of its own as well: in `staff` it could walk into everybody's home.
    users.knownGroups = [ "_claveld" ];
    users.groups._claveld = { gid = cfg.uid; description = "claveld"; };
    users.knownUsers = [ "_claveld" ];
    users.users._claveld = {
      uid = cfg.uid;
      gid = cfg.uid;
      home = "/var/lib/claveld";
      createHome = true;
      isHidden = true;
      description = "claveld";
    };
    environment.systemPackages = [ cfg.package ];
    environment.etc."claveld/claveld.toml".source = file;
    # As a script: nix-darwin lets that wait for the volume of /nix, which is mounted later than launchd begins.
    launchd.daemons.claveld.script = ''
      # The checkout is somebody else's, and git, which Nix asks, reads none of those unless it is told to.
      ${pkgs.git}/bin/git config --global --replace-all safe.directory '*'
      exec ${cfg.package}/bin/claveld --config ${file} serve
    '';
    launchd.daemons.claveld.serviceConfig = {
      UserName = "_claveld";
      EnvironmentVariables = {
        HOME = "/var/lib/claveld";
        PATH = "${pkgs.git}/bin:/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin:/usr/bin:/bin:/usr/sbin:/sbin";
      };
      KeepAlive = true;
      RunAtLoad = true;
      ExitTimeOut = 20;
      Umask = 63; # 0077
      SoftResourceLimits.NumberOfFiles = 65536;
      HardResourceLimits.NumberOfFiles = 65536;
      StandardErrorPath = "/var/lib/claveld/claveld.log";
      StandardOutPath = "/var/lib/claveld/claveld.log";
    };
  };
}
