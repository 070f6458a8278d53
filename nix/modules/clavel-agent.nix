# NixOS: asks a claveld which Deployment this machine should run, and applies it.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.clavel-agent;
  # In a string, and by no toString: only so is a file of the configuration copied to the machine.
  ca = lib.optionalAttrs (cfg.caFile != null) { ca_file = "${cfg.caFile}"; };
  file = (pkgs.formats.toml { }).generate "agent.toml" (lib.recursiveUpdate {
    name = cfg.unit;
    type = "nixos";
    arch = pkgs.stdenv.hostPlatform.system;
    claveld = { token_file = cfg.tokenFile; }
      // (if cfg.nats == null then { url = cfg.url; } // ca else { nats = cfg.nats // ca; })
      // lib.optionalAttrs (cfg.deployments != [ ]) { deployments = cfg.deployments; };
    stacks = lib.mapAttrs (_: stack: removeAttrs stack [ "source" ]) cfg.stacks;
  } cfg.settings);
in
{
  options.services.clavel-agent = {
    enable = lib.mkEnableOption "the Clavel agent";
    package = lib.mkOption { type = lib.types.package; description = "clavel-tui[agent]"; };
    unit = lib.mkOption { type = lib.types.str; default = config.networking.hostName; description = "The unit's name in the fleet."; };
    url = lib.mkOption { type = lib.types.str; default = ""; example = "https://ops.example.org:8420"; description = "Where claveld is."; };
    nats = lib.mkOption {
      type = lib.types.nullOr (lib.types.attrsOf (lib.types.either lib.types.bool lib.types.str));
      default = null;
      example = { url = "tls://nats.example.org:4222"; nkey_file = "/etc/clavel-agent/nkey"; };
      description = "[claveld.nats], instead of url; with clavel-tui[nats] as the package.";
    };
    tokenFile = lib.mkOption {
      type = lib.types.str;
      default = "/etc/clavel-agent/token";
      description = "The token of `claveld agent add`, 0600; a path outside the store, which everybody reads.";
    };
    caFile = lib.mkOption { type = lib.types.nullOr lib.types.path; default = null; description = "claveld's own authority."; };
    deployments = lib.mkOption { type = lib.types.listOf lib.types.str; default = [ ]; description = "The refs to ask for; else the unit's own."; };
    stacks = lib.mkOption {
      type = lib.types.attrsOf lib.types.attrs;
      default = { };
      example = { web = { source = ./compose/web; health_seconds = 60; }; };
      description = ''
        Docker Compose stacks that come with the system: the agent puts each at the files of its `source`, once the system runs.
        The rest is what [stacks.<name>] of unit.toml would say. No secrets in them: everybody reads the store.
      '';
    };
    settings = lib.mkOption {
      type = lib.types.attrs;
      default = { };
      example = { system.confirm_seconds = 120; checks = [{ systemd = "nginx.service"; }]; };
      description = "What unit.toml would say of the machine: [system] and [[checks]].";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [{
      assertion = !lib.hasPrefix builtins.storeDir cfg.tokenFile;
      message = "services.clavel-agent.tokenFile lies in the Nix store, where everybody can read it";
    } {
      assertion = (cfg.url == "") != (cfg.nats == null);
      message = "services.clavel-agent: say either url or nats";
    }];
    environment.etc = lib.mapAttrs' (name: stack: lib.nameValuePair "clavel/stacks/${name}" { inherit (stack) source; }) cfg.stacks;
    systemd.services.clavel-agent = {
      description = "Clavel agent: applies what claveld says that this machine should run";
      wantedBy = [ "multi-user.target" ];
      after = [ "network-online.target" "nix-daemon.socket" ];
      wants = [ "network-online.target" ];
      path = [ config.nix.package pkgs.util-linux pkgs.gnused pkgs.gnugrep pkgs.gawk pkgs.findutils config.systemd.package ]
        ++ lib.optional (cfg.stacks != { }) config.virtualisation.docker.package;
      # The switch that this very agent carries out may restart it: the job goes on by itself, and the new agent confirms it.
      environment.MALLOC_ARENA_MAX = "1";
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/clavel-agent --config ${file} run";
        Restart = "always";
        RestartSec = 2;
        StateDirectory = "clavel-agent";
        StateDirectoryMode = "0700";
        KillMode = "process";
        TimeoutStopSec = 15;
      };
    };
  };
}
