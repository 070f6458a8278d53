# nix-darwin: the same agent under launchd.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.clavel-agent;
  file = (pkgs.formats.toml { }).generate "agent.toml" (lib.recursiveUpdate {
    name = cfg.unit;
    type = "darwin";
    arch = pkgs.stdenv.hostPlatform.system;
    claveld = { url = cfg.url; token_file = cfg.tokenFile; };
  } cfg.settings);
in
{
  options.services.clavel-agent = {
    enable = lib.mkEnableOption "the Clavel agent";
    package = lib.mkOption { type = lib.types.package; description = "clavel-tui[agent]"; };
    unit = lib.mkOption { type = lib.types.str; description = "The unit's name in the fleet."; };
    url = lib.mkOption { type = lib.types.str; description = "Where claveld is."; };
    tokenFile = lib.mkOption { type = lib.types.str; default = "/etc/clavel-agent/token"; description = "0600, outside the store."; };
    settings = lib.mkOption { type = lib.types.attrs; default = { }; description = "[system] and [[checks]], as unit.toml says them."; };
  };

  config = lib.mkIf cfg.enable {
    # As a command: nix-darwin lets that wait for the volume of /nix, which is mounted later than launchd begins.
    launchd.daemons.clavel-agent.command = "${cfg.package}/bin/clavel-agent --config ${file} run";
    launchd.daemons.clavel-agent.serviceConfig = {
      EnvironmentVariables.PATH = "/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin:/usr/bin:/bin:/usr/sbin:/sbin";
      KeepAlive = true;
      RunAtLoad = true;
      # The jobs that it starts outlive it.
      AbandonProcessGroup = true;
      StandardErrorPath = "/var/log/clavel-agent.log";
      StandardOutPath = "/var/log/clavel-agent.log";
    };
  };
}
