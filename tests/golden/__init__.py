"""What public names give, frozen before the code is reorganized."""
