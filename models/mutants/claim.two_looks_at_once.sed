# Lookers do not exclude each other: the first that looks away lets the task go on under the other.
s/epoch == e \&\& !looked_at -> looked_at = true/epoch == e -> looked_at = true/
