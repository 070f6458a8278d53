# What a flake says of the fleet's units, in one evaluation that builds nothing. The request is JSON: { url, dir, sets },
# where sets = { nixosConfigurations = [ names ]; ... }. Everything is told by lines of trace as it is found, so that one broken
# host spoils neither those before it nor, in the next process, those after it:
#   clavel-tui lists {...}    once: the names of all attributes, and what nixConfig says
#   clavel-tui begins NAME    the last of these is where an evaluation that dies has died
#   clavel-tui found {...}    one attribute's answer
request:
let
  inherit (builtins) attrNames concatLists concatMap deepSeq elem filter foldl' isAttrs isList isString map seq split toJSON trace;

  asked = builtins.fromJSON request;
  flake = builtins.getFlake asked.url;
  setNames = [ "nixosConfigurations" "darwinConfigurations" "clavelUnits" ];
  setOf = set: if isAttrs (flake.${set} or null) then flake.${set} else { };
  named = set: name: "${set}.${name}";

  # nixConfig is no output: it is read from the file itself, as Nix does.
  file = import "${flake.sourceInfo.outPath}${if asked.dir == "" then "" else "/${asked.dir}"}/flake.nix";
  words = value: if isList value then value else filter (word: isString word && word != "") (split "[ \n]+" value);
  setting = name: concatMap (key: words (file.nixConfig.${key} or [ ])) [ name "extra-${name}" ];
  lists = {
    narHash = flake.narHash;
    attributes = concatMap (set: map (named set) (attrNames (setOf set))) setNames;
    substituters = setting "substituters";
    keys = setting "trusted-public-keys";
  };

  closure = toplevel: { inherit (toplevel) drvPath system; narId = toplevel.outPath; };
  known = [ "type" "profile" "toplevel" "storePath" "system" "substituters" "substituters-public-keys" "metadata" ];
  custom = unit: {
    unknown = filter (key: !(elem key known)) (attrNames unit);
    both = unit ? toplevel && unit ? storePath;
    type = unit.type or "";
    profile = unit.profile or "";
    substituters = unit.substituters or [ ];
    keys = unit.substituters-public-keys or [ ];
    metadata = unit.metadata or { };
  } // (if unit ? toplevel then closure unit.toplevel
        else { drvPath = ""; narId = unit.storePath or ""; system = unit.system or ""; });

  describe = set: name:
    let value = (setOf set).${name};
    in if set == "clavelUnits" then custom value else closure value.config.system.build.toplevel;
  tell = { set, name }:
    let found = toJSON (describe set name // { attribute = named set name; unit = name; });
    in trace "clavel-tui begins ${named set name}" (deepSeq found (trace "clavel-tui found ${found}" null));

  chosen = concatLists (map
    (set: map (name: { inherit set name; }) (filter (name: (setOf set) ? ${name}) (asked.sets.${set} or [ ])))
    setNames);
in
seq (trace "clavel-tui lists ${toJSON lists}" null) (foldl' (done: one: seq (tell one) done) true chosen)
