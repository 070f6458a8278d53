{
  description = "NixOS-shaped systems for the lab, without nixpkgs: what a deployer sees of them is as on the real ones";
  outputs = { self }:
    let
      lib = import ./lib.nix;
      hosts = import ./hosts.nix;
      revision = self.rev or "dirty";
    in {
      nixosConfigurations = builtins.mapAttrs (name: settings: lib.mkSystem ({ inherit name; rev = revision; } // settings)) hosts;
    };
}
