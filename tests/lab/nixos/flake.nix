{
  description = "NixOS-shaped systems for the lab, without nixpkgs: what a deployer sees of them is as on the real ones";
  outputs = { self }:
    let
      lib = import ./lib.nix;
      hosts = import ./hosts.nix;
      revision = self.rev or "dirty";
      named = test: builtins.filter (name: test hosts.${name}) (builtins.attrNames hosts);
      each = test: made: builtins.listToAttrs (map (name: { inherit name; value = made name hosts.${name}; }) (named test));
    in {
      nixosConfigurations = each (settings: !(settings ? image)) (name: settings: lib.mkSystem ({ inherit name; rev = revision; } // settings));
      clavelUnits = each (settings: settings ? image) (name: settings: {
        type = "container";
        toplevel = lib.mkContainer { inherit name; inherit (settings) image options; };
      });
    };
}
