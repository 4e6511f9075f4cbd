"""The local page of `onestory review`: look at takes, accept them, ask for others, and watch a render."""
