"""How the weights of each published implementation are called here."""
