"""What is told of finished artifacts: pictures, differences, manifests."""
