"""Pure: from the domain to cells and lines. Colour is never the only carrier: each state has a glyph and a word."""
