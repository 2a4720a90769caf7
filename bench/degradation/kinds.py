"""The kinds of degradation that there are, in the order of `make list`."""

from bench.degradation import jpeg, noise, resize
from bench.degradation.description import Kind, Parameter

_FRACTION = {"fraction": Parameter(0, 1, positive=True)}
# A white pixel of a camera holds some ten thousand electrons; below 0.01 counts an image is black.
_PEAK = Parameter(0.01, 1e6)
_FACTORS = tuple(range(2, 17))

KINDS: dict[str, Kind] = {
    "gaussian": Kind(
        noise.gaussian,
        {
            "sigma": Parameter(0, 255, positive=True),
            "std": Parameter(0, 1, positive=True),
            "mean": Parameter(-1, 1, default=0.0),
            "correlation": Parameter(0, 1, default=0.0),
        },
        "gaussian:25, gaussian:0-55, gaussian:mean=0.255,std=0.5 or gaussian:25,correlation=0.5",
        "additive white Gaussian noise: sigma on the 0-255 scale, or std (and mean) on the unit scale; "
        "correlation between the channels of a pixel, 0-1",
        needs=(("sigma", "std"),),
        order=("mean", "sigma", "std", "correlation"),
        canonical=noise.one_scale,
    ),
    "multiplicative": Kind(
        noise.multiplicative,
        {"std": Parameter(0, 10, positive=True)},
        "multiplicative:0.2",
        "Gaussian noise in proportion to the level: x (1 + std n), n of N(0, 1); std has no unit",
    ),
    "poisson": Kind(
        noise.poisson,
        {"peak": _PEAK},
        "poisson:30",
        "photon counts: Poisson(peak x) / peak, x on the unit scale; peak is the expected count at white",
    ),
    "poisson_gaussian": Kind(
        noise.poisson_gaussian,
        {"peak": _PEAK, "sigma": Parameter(0, 255, positive=True)},
        "poisson_gaussian:peak=100,sigma=5",
        "photon counts and read-out noise of a camera (Foi et al. 2008): "
        "expected count at white, then Gaussian sigma on the 0-255 scale",
        needs=(("peak",), ("sigma",)),
    ),
    "salt_pepper": Kind(
        noise.salt_pepper,
        _FRACTION,
        "salt_pepper:0.1",
        "a fraction of the samples (0-1) set to 0 or 255, half to each, each channel on its own",
    ),
    "masking": Kind(
        noise.masking,
        _FRACTION,
        "masking:0.25",
        "each sample set to 0 with this probability, each channel on its own (Vincent et al. 2008, 2010)",
    ),
    "uniform": Kind(
        noise.uniform,
        {"amplitude": Parameter(0, 255, positive=True)},
        "uniform:25",
        "additive white noise, uniform from -amplitude to amplitude on the 0-255 scale",
    ),
    "speckle": Kind(
        noise.speckle,
        {"looks": Parameter(0.01, 1e6)},
        "speckle:4",
        "multiplied by Gamma noise of mean 1 and variance 1 / looks: intensity of SAR or ultrasound (Goodman 1976)",
    ),
    "jpeg": Kind(
        jpeg.jpeg,
        {
            "quality": Parameter(1, 100, whole=True),
            "subsampling": Parameter(420, 444, default=420.0, choices=(444, 422, 420)),
        },
        "jpeg:10 or jpeg:10,subsampling=444",
        "rounded to 8 bit, JPEG of quality 1-100 (libjpeg) and back; chroma 420, 422 or 444, gray stays gray",
        random=False,
        tensors=False,
    ),
    "downscale": Kind(
        resize.downscale,
        {
            "factor": Parameter(_FACTORS[0], _FACTORS[-1], choices=_FACTORS),
            "rounded": Parameter(0, 1, default=0.0, choices=(0, 1)),
        },
        "downscale:3 or downscale:3,rounded=1",
        "bicubic down by the factor 2-16 and back up, as MATLAB's imresize (Keys 1981, antialiased); "
        "rounded=1: the small image in 8 bit; images are cropped to a multiple",
        random=False,
        tensors=False,
        multiple=lambda values: int(values["factor"]),
    ),
    "impulse": Kind(
        noise.impulse,
        _FRACTION,
        "impulse:0.2",
        "a fraction of the samples (0-1) set to a random level of 0-255, each channel on its own (Garnett et al. 2005)",
    ),
    "quantise": Kind(
        jpeg.quantise,
        {"bits": Parameter(1, 8, whole=True)},
        "quantise:4",
        "rounded to 2^bits levels from black to white",
        random=False,
        tensors=False,
    ),
}
