"""CodeArts on pages: bound without a click, to look at, and never the tenant's to mend."""

from __future__ import annotations

import pytest

from bindings.models import Binding
from portal.tenants.models import Instance
from tests.bindings.clouds import Cloud, refuse_twice
from tests.bindings.sources import live
from tests.bindings.web.reading import read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}
SOURCES = "/t/acme/instances/prod-registry/sources/"


@pytest.fixture
def brought(cloud: Cloud, alice: Somebody, instance: Instance) -> Binding:
    cloud.connect(alice.tenant)
    return live(instance)[0]


def test_it_is_bound_from_the_first_visit(brought: Binding, alice: Somebody) -> None:
    page = read(alice.client.get(SOURCES))
    assert (
        "acme-robot bound by the platform Cloud account Healthy No end date"
        in (page.rows["row-codearts"])
    )
    assert "Bound Open" in page.rows["row-codearts"]
    chinese = read(alice.client.get(SOURCES, headers=CHINESE))
    assert "平台默认绑定 云账号 正常 无到期日" in chinese.rows["row-codearts"]
    assert "已绑定 查看" in chinese.rows["row-codearts"]


def test_its_page_has_neither_replace_nor_unbind(brought: Binding, alice: Somebody) -> None:
    where = f"/t/acme/bindings/{brought.public_id}/"
    page = read(alice.client.get(where))
    assert (
        "DevCloud (CodeArts) is bound by default to your current cloud account."
        " It cannot be removed here."
    ) in page.text
    assert "DevCloud（CodeArts）已默认绑定当前云账号，无法在此移除。" in (
        read(alice.client.get(where, headers=CHINESE)).text
    )
    assert "bound by the platform" in page.text
    assert "Bound by" not in page.text
    assert not {"Replace token", "Unbind"} & set(page.links)
    for path in ("replace/", "unbind/"):
        answer = alice.client.get(f"{where}{path}")
        assert answer.status_code == 409
        assert (
            "DevCloud is bound by default and cannot be removed here. Ask your operator."
        ) in read(answer).text


def test_a_refused_account_reads_paused_and_names_no_fault_of_theirs(
    cloud: Cloud, brought: Binding, alice: Somebody
) -> None:
    cloud.revoke()
    refuse_twice(brought)
    page = read(alice.client.get(SOURCES))
    assert "Paused" in page.rows["row-codearts"]
    assert "Why?" in page.rows["row-codearts"]
    told = "Huawei Cloud refused the platform's credential twice. Your operator has been told."
    where = f"/t/acme/bindings/{brought.public_id}/"
    assert told in read(alice.client.get(where)).text
    assert "华为云已两次拒绝平台凭据，已通知管理员。" in (
        read(alice.client.get(where, headers=CHINESE)).text
    )


def test_without_an_account_the_row_is_not_offered_and_its_page_says_whom_to_ask(
    cloud: Cloud, alice: Somebody, instance: Instance
) -> None:
    assert "Not offered" in read(alice.client.get(SOURCES)).rows["row-codearts"]
    answer = alice.client.get(f"{SOURCES}codearts/bind/")
    assert answer.status_code == 422
    assert "Your operator has not connected a cloud account for this tenant." in read(answer).text
