# A called task that goes keeps the lock that it was handed.
/^inline decline/,/^}/s/if :: mine -> pass_on()/if :: mine -> skip/
