# A refused spawner takes one count back, and had taken a lease.
s/:: !admitted && taken > 0 -> sub(taken)$/:: !admitted \&\& taken > 0 -> sub(1)/
