# The epoch of a refused park is spent although a grant has begun it.
s/if :: epoch == node_epoch -> refused = false/if :: false -> skip/
