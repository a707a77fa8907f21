# The next wait begins with the claim of the last one: nobody can claim it.
s/armed = true; claimed = false; by_request = false$/armed = true/
