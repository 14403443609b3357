"""OOD detection with immature Glow models: reproduced, explained, and made fast."""
