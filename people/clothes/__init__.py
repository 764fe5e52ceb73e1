"""What people wear: outfits, cloth, garments sewn here, and MakeHuman's clothes."""
