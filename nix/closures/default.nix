# What a unit of type container runs: a closure that activates itself. For `clavelUnits.<unit>.toplevel` of a flake:
#
#   clavelUnits.web = { type = "container"; toplevel = (import "${clavel}/nix/closures" { inherit pkgs; }).oci {
#     name = "web"; image = pkgs.dockerTools.buildImage { … }; options = [ "--publish" "80:8080" ]; }; };
#
# Others, for a router say, are a derivation with bin/activate and, if it can tell, bin/check: see README.md.
{ pkgs }:
let
  lines = words: builtins.concatStringsSep "" (map (word: word + "\n") words);
  quoted = pkgs.lib.escapeShellArg;
in
{
  # image: an archive that `docker load` takes, or a reference; one with a digest is the same image for ever.
  oci = { name, image, options ? [ ], command ? [ ] }:
    pkgs.runCommand "oci-${name}" {
      container = "name=${quoted name} image=${quoted "${image}"}\n";
      options = lines options;
      command = lines command;
      passAsFile = [ "container" "options" "command" ];
    } ''
      mkdir -p $out/bin
      cp ${./oci}/activate ${./oci}/check $out/bin
      for part in container options command; do eval "cp \$''${part}Path $out/$part"; done
    '';
}
