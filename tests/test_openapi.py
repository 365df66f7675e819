"""The OpenAPI document in docs/reference/ is the one that the code makes."""

from pathlib import Path

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

CHECKED_IN = Path(__file__).resolve().parent.parent / "docs" / "reference" / "openapi.yaml"


def test_the_checked_in_document_is_up_to_date():
    schema = SchemaGenerator().get_schema(request=None, public=True)

    rendered = OpenApiYamlRenderer().render(schema, renderer_context={})

    assert rendered.decode() == CHECKED_IN.read_text(), "run `make openapi`"


def test_the_document_is_valid_openapi():
    validate_schema(SchemaGenerator().get_schema(request=None, public=True))
