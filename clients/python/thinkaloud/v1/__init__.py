"""Generated from proto/thinkaloud/v1 by scripts/generate; never edited."""
