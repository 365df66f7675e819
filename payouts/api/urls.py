"""The addresses of this package's part of the API, below /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from payouts.api import content, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("links/<uuid:link_id>/content", content.ContentView.as_view(), name="api-link-content"),
    path("balance", views.BalanceView.as_view(), name="api-balance"),
    path("deposit-addresses", views.DepositAddressListView.as_view(), name="api-deposit-addresses"),
    path("deposits", views.DepositListView.as_view(), name="api-deposits"),
    path("transfers", views.TransferListView.as_view(), name="api-transfers"),
    path("payout-address", views.PayoutAddressView.as_view(), name="api-payout-address"),
    path("settlements", views.SettlementListView.as_view(), name="api-settlements"),
    path("statements", views.StatementListView.as_view(), name="api-statements"),
    path("statements/<uuid:statement_id>", views.StatementDetailView.as_view(), name="api-statement"),
    path("payouts", views.PayoutListView.as_view(), name="api-payouts"),
    path("closing-account", views.ClosingAccountView.as_view(), name="api-closing-account"),
]
