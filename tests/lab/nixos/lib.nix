# A system as one derivation that holds what NixOS's own toplevel holds: activate, bin/switch-to-configuration, nixos-version,
# system, etc, sw, kernel, switch-inhibitors. How it misbehaves is written into files of lab/, which its script reads.
let
  # The builder is the machine's own shell: builds need sandbox = false.
  build = system: name: script: values: derivation (values // {
    inherit name system;
    builder = "/bin/sh";
    args = [ "-euc" script ];
    PATH = "/usr/bin:/bin";
    # As NixOS's own toplevel says: nobody's build hook is asked.
    preferLocalBuild = true;
  });
  lines = list: builtins.concatStringsSep "\n" list;
in {
  # As nix/closures makes it, whose own two programs these are.
  mkContainer = { name, image, options }: build "x86_64-linux" "oci-${name}" ''
    mkdir -p $out/bin
    cp ${./oci}/activate ${./oci}/check $out/bin
    printf "name='%s' image='%s'\n" "$unit" "$image" >$out/container
    printf %s "$options" >$out/options
    : >$out/command
  '' { inherit image; unit = name; options = builtins.concatStringsSep "" (map (word: word + "\n") options); };

  mkSystem =
    { name, rev, version, motd ? "", system ? "x86_64-linux", kernel ? "6.6.1", units ? { }, inhibitors ? [ ]
    , failActivation ? false, failUnits ? [ ], slow ? 0, cutNetwork ? false, payloadMiB ? 1
    , stacks ? { } }:
    let
      put = file: text: "mkdir -p $out/clavel/stacks/$(dirname ${file})\ncat >$out/clavel/stacks/${file} <<'END'\n${text}\nEND";
      files = stack: builtins.attrValues (builtins.mapAttrs (file: put "${stack}/${file}") stacks.${stack});
      etc = build system "etc" ''
        mkdir -p $out/units
        echo "$motd" >$out/motd.nix
        ${lines (builtins.attrValues (builtins.mapAttrs (unit: text: "cat >$out/units/${unit} <<'END'\n${text}\nEND") units))}
        ${lines (builtins.concatMap files (builtins.attrNames stacks))}
      '' { inherit motd; };
      linux = build system "linux-${kernel}" ''echo "$release" >$out'' { release = kernel; };
      payload = build system "payload-${version}" ''
        mkdir -p $out/bin
        cp ${./tool.sh} $out/bin/tool
        dd if=/dev/zero of=$out/blob bs=1M count=${toString payloadMiB} 2>/dev/null
      '' { };
      toplevel = build system "nixos-system-${name}-${version}" ''
        mkdir -p $out/bin $out/lab
        cp ${./activate.sh} $out/activate
        cp ${./switch.sh} $out/bin/switch-to-configuration
        chmod +x $out/activate $out/bin/switch-to-configuration
        printf %s "$version" >$out/nixos-version
        printf %s "$system" >$out/system
        printf %s "$rev" >$out/configuration-revision
        printf %s "$inhibitors" >$out/switch-inhibitors
        printf %s "$failActivation" >$out/lab/fail-activation
        printf %s "$failUnits" >$out/lab/fail-units
        printf %s "$cutNetwork" >$out/lab/cut-network
        printf %s "$slow" >$out/lab/slow
        ln -s $etc $out/etc
        ln -s $payload $out/sw
        ln -s $linux $out/kernel
      '' {
        inherit etc payload linux version rev failActivation cutNetwork;
        inhibitors = lines inhibitors;
        failUnits = toString failUnits;
        slow = toString slow;
      };
    in {
      config.system.build.toplevel = toplevel;
      config.networking.hostName = name;
      pkgs.system = system;
    };
}
