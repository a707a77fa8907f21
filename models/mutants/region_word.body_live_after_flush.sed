# The body's end collects the spares first and clears body_live then: a shard gets a spare that nobody collects.
s/^  body_live = false;$//
s/^  sub(count)$/  body_live = false; sub(count)/
