"""What Apache OpenWhisk has and Lambda has not: namespaces with keys, actions, activations, rules."""
