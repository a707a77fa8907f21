# The advance does not look at the count again: a spawner admitted in between is alive while finalizers run.
s/ && gen == g && live == 0 -> state/ \&\& gen == g -> state/
