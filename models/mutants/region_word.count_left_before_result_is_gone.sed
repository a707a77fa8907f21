# An ending task leaves its count as a spare, and only then destroys a result that nobody holds a handle of.
s/alive\[mine\]--; spare\[shard\]++ }/spare[shard]++ }/
s/if :: spared -> skip :: else -> atomic/if :: spared -> alive[mine]-- :: else -> atomic/
