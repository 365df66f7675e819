"""`{% bundle_script "upload" %}`: a page's own script, with the hash that its bytes must have."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from web.bundles import get_bundle

register = template.Library()


@register.simple_tag
def bundle_script(name: str) -> SafeString:
    """Return the element that loads a built script as a module.

    Raises ImproperlyConfigured if the scripts were not built, or none has that name.
    """
    bundle = get_bundle(name)
    return format_html(
        '<script type="module" src="{}" integrity="{}"></script>', static(bundle.static_path), bundle.integrity
    )
