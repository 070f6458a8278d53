"""The fleet's files: `hosts/fleet.toml`, `hosts/<unit>/unit.toml`, `hosts/<unit>/compose/<stack>/`, and the domain."""

from clavel_tui.inventory.find import find_root
from clavel_tui.inventory.load import load_fleet
from clavel_tui.inventory.stackfiles import files_sum, stack_files, tree_lines

__all__ = ["files_sum", "find_root", "load_fleet", "stack_files", "tree_lines"]
