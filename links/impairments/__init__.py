"""What goes wrong on the way, in netem's vocabulary, for any link and any clock."""
