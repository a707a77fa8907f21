# A bookmark that was the last in the list is taken out without a look at the spares.
s/members\[shard\]--; last_spares(shard) :: else/members[shard]-- :: else/
