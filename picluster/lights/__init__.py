"""What a node's lamps say, as values: health in, colour and blinking out. Nothing here touches a pin."""
