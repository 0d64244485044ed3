//! Image data: CIFAR-10, the packed subset that the page loads, generated textures; minibatches and augmentation.
