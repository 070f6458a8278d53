# What NixOS and nix-darwin give a module, as far as ours use it: what a module says is evaluated by Nix, and needs no nixpkgs.
{ module, service, said, system, nixEnabled ? true }:
let
  lib = builtins // {
    mkOption = option: option;
    mkEnableOption = description: { default = false; };
    mkIf = wanted: what: if wanted then what else { };
    optional = wanted: what: if wanted then [ what ] else [ ];
    optionalAttrs = wanted: what: if wanted then what else { };
    recursiveUpdate = old: new: old // builtins.mapAttrs
      (name: value: if builtins.isAttrs value && builtins.isAttrs (old.${name} or null) then lib.recursiveUpdate old.${name} value else value)
      new;
    hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
    nameValuePair = name: value: { inherit name value; };
    mapAttrs' = change: set: builtins.listToAttrs (builtins.attrValues (builtins.mapAttrs change set));
    types = {
      package = "package"; str = "str"; int = "int"; bool = "bool"; path = "path"; attrs = "attrs";
      nullOr = type: type; attrsOf = type: type; listOf = type: type; either = one: other: one;
    };
  };
  pkgs = {
    # In place of a file's path what would be in it, as JSON and without a blank: it stands among a command's words.
    formats.toml = { }: { generate = name: value: builtins.replaceStrings [ " " ] [ "\\u0020" ] (builtins.toJSON value); };
    stdenv.hostPlatform = { inherit system; };
    git = "/git"; util-linux = "/util-linux"; gnused = "/sed"; gnugrep = "/grep"; gawk = "/awk"; findutils = "/find";
  };
  config = {
    services.${service} = builtins.mapAttrs (_: option: option.default or (throw "an option without a default")) made.options.services.${service} // said;
    networking.hostName = "cinnabar";
    # As nix-darwin: where it does not look after Nix, nobody may ask which one there is.
    nix = { enable = nixEnabled; package = if nixEnabled then "/nix-package" else throw "nix.package was asked for"; };
    systemd.package = "/systemd";
    virtualisation.docker.package = "/docker";
  };
  made = import module { inherit config lib pkgs; };
in
assert builtins.all (one: one.assertion || throw one.message) (made.config.assertions or [ ]);
made.config
