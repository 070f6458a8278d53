"""The console. Workers post messages; handlers own state; `render/` turns the domain into cells and knows no widget."""
