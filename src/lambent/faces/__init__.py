"""Wire protocols at the edge. AWS's PascalCase exists only here."""
