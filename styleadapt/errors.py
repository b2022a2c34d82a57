"""Defines every exception of the library, all with one common base."""


class StyleAdaptError(Exception):
    """Base of all errors that the library raises itself. Each of them is one of Python's own kinds as well."""


class ImageError(StyleAdaptError, ValueError):
    """An image that cannot be used; the message is one line and names the file and what is wrong with it."""


class VideoError(StyleAdaptError, ValueError):
    """A clip that cannot be used; the message is one line and says what is wrong."""


class SourceError(StyleAdaptError, ValueError):
    """A source of training images that cannot be used: names it, what was found and what to do."""


class ModelLoadError(StyleAdaptError, OSError, ValueError):
    """A model could not be loaded whole; the message names the file, the key, what was expected and what was found."""


class ModelFileNotFoundError(ModelLoadError, FileNotFoundError):
    """A folder, a repository or a file in it is not there, or not within reach."""


class BackboneError(StyleAdaptError, ValueError):
    """A backbone that cannot be had here, or figures of different ones together; the message is one line."""


class ConfigError(StyleAdaptError, ValueError):
    """A configuration that cannot be used: names the key, the value and what is allowed."""


class DivergenceError(StyleAdaptError, RuntimeError):
    """Training was stopped: a loss or all gradients stopped being finite, or the discriminator collapsed; the last checkpoint
    stands."""


class AdapterError(StyleAdaptError, ValueError):
    """A file that is no adapter, a damaged one, or one for another base."""


class ExportError(StyleAdaptError, RuntimeError):
    """An exported network does not calculate what the torch model does."""


class ManifestError(StyleAdaptError, ValueError):
    """A folder of results that this run cannot go on with: says why and what to do."""


class HubError(StyleAdaptError, RuntimeError):
    """A run that could not be published: says what failed, why, and what to do. The run itself is safe on disk."""


class RestorationStopped(StyleAdaptError):
    """A callback has ended a call of the restoration pipeline."""
