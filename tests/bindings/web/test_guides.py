"""Guides (product.md 3.5): whole in both languages, beside each form and in the help; and the rules
a user must see (ux/spec.md 6), letter by letter."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bindings.services.browse.specs import LABELS, ORDER
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.seven import BY_CONSENT, BY_TOKEN, Seven
from tests.bindings.web.reading import read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}
SOURCES = "/t/acme/instances/prod-registry/sources/"
Pairs = list[tuple[str, str]]

EVERYWHERE: Pairs = [
    (
        "One account per platform per instance. To move to another account, unbind first, or use"
        " Switch account to compare what the new one can reach before anything changes.",
        "每个实例在每个平台只能绑定一个账号。更换账号需先解绑，或使用“切换账号”先比较新账号可访问的仓库，"
        "再决定是否更换。",
    ),
    (
        "You can bind GitHub, GitLab and the others at the same time.",
        "可同时绑定 GitHub、GitLab 等多个平台。",
    ),
]
ADDRESS: Pairs = [
    (
        "Start with https:// or http://. The server must be reachable from the internet. Enter the"
        " server, not a project.",
        "以 https:// 或 http:// 开头，服务器须可从公网访问。请填写服务器地址，不要填写项目地址。",
    ),
    (
        "Private server? Allow our build nodes through your firewall:",
        "私有服务器？请在防火墙放行我们的构建节点：",
    ),
]
SEED: Pairs = [
    (
        "HTTPS works on port 443 only. HTTP works on ports 80, 21, 443, 70, 210, 280, 488, 591, 777"
        " and 1025 to 65535.",
        "HTTPS 仅支持 443 端口；HTTP 支持 80、21、443、70、210、280、488、591、777 以及"
        " 1025 到 65535 端口。",
    ),
    (
        "Servers behind a firewall or with a self-signed certificate are not supported here.",
        "不支持位于防火墙后或使用自签名证书的服务器。",
    ),
]
EXTENDED: Pairs = [
    (
        "Your operator allows some private networks and own certificates.",
        "管理员已放行部分内网地址，并支持自有证书。",
    ),
]
ONCE: Pairs = [
    (
        "The token must be an access token. The platform shows it once: copy it before you leave"
        " the page.",
        "必须使用访问令牌。平台只显示一次，离开页面前请复制。",
    ),
]
GUIDES: dict[str, Pairs] = {
    "gitlab": [
        (
            "Tick api. Without it we cannot read your repositories or set the webhook that starts"
            " builds.",
            "必须勾选 api，否则无法读取仓库信息，也无法设置触发构建的 Webhook。",
        ),
        (
            "read_registry only pulls container images. read_api and read_repository are enough for"
            " manual builds.",
            "read_registry 只能拉取镜像；仅手动构建时，read_api 和 read_repository 即可。",
        ),
        (
            "Choose a sensible end date. We warn you 30, 14, 7, 3 and 1 days before.",
            "请合理设置到期日，我们会在到期前 30、14、7、3、1 天提醒您。",
        ),
        (
            "Your GitLab username (with the @), not the display name under Profile > Name.",
            "填写 GitLab 用户名（@ 后面的部分），不是“个人资料 > 名称”中的显示名。",
        ),
        ("normally a year. The token stops at 00:00 UTC of its date.", "在到期日 UTC 00:00 失效。"),
        ("https://gitlab.com/users/sign_in", "https://gitlab.com/users/sign_in"),
        ("Settings), then Access Tokens in the left pane.", "再在左侧选择 访问令牌"),
        ("Press Create personal access token (some versions: Create)", "点击 新建"),
        *ONCE,
    ],
    "codeup": [
        (
            "In Codeup open Personal Settings > Personal access token > New Token. Tick at least:",
            "在 Codeup 中打开 个人设置 > 个人访问令牌 > 新建令牌，至少勾选：",
        ),
        (
            "Your clone username is under Personal Settings > HTTPS Password.",
            "克隆账号位于 个人设置 > HTTPS 密码。",
        ),
        ("Security Tip and press OK, I understand the risks.", "安全提示"),
        ("Organization members read-only read:org read:user", "组织成员（只读）"),
        ("Organization departments read-only read:group", "组织部门（只读）"),
        ("Code repositories read-only read:repo", "代码仓库（只读）"),
        ("Branches read-only read:repo:branch", "分支（只读）"),
        ("Tags read-only read:repo:tag", "标签（只读）"),
        ("Webhook read/write read:repo:webhook write:repo:webhook", "Webhook（读写）"),
        *ONCE,
    ],
    "gitea": [
        ("add and remove our build webhook. write:repository", "添加或删除构建 Webhook。"),
        *ONCE,
    ],
}
CONSENT: dict[str, Pairs] = {
    "github": [
        (
            "Read and clone private repositories. GitHub has no read-only version for OAuth apps."
            " We never push.",
            "读取并克隆私有仓库。GitHub 的 OAuth 应用没有只读选项；我们不会推送。",
        ),
        (
            "Using organization repositories? On GitHub's page press Grant or Request beside each"
            " organization.",
            "要使用组织仓库？请在 GitHub 页面点击各组织旁的 Grant 或 Request。",
        ),
        (
            "repositories, personal information and other account data. Press Authorize.",
            "仓库、个人信息及其他账号数据。请点击 Authorize。",
        ),
    ],
    "gitee": [
        ("On Gitee's page press 授权 (Authorize).", "在 Gitee 页面点击 授权。"),
        ("user_info Know which account this is.", "user_info 识别账号。"),
        ("projects List and clone your repositories.", "projects 列出并克隆仓库。"),
        ("hook Add and remove our build webhook.", "hook 添加或删除构建 Webhook。"),
        ("groups Show repositories of your organizations.", "groups 显示组织仓库。"),
    ],
    "bitbucket": [
        (
            "then shows Confirm access to your account: review it and press Grant access.",
            "Confirm access to your account：请查看后点击 Grant access。",
        ),
        ("account Know which account this is and its workspaces.", "account 识别账号及其工作区。"),
        ("repository List and clone repositories.", "repository 列出并克隆仓库。"),
        ("webhook Add and remove our build webhook.", "webhook 添加或删除构建 Webhook。"),
    ],
}


def missing(client: Client, path: str, pairs: Pairs) -> list[str]:
    """The sentences that a page does not say, in either language."""
    english, chinese = (read(client.get(path, headers=how)).text for how in ({}, CHINESE))
    return [en for en, _ in pairs if en not in english] + [
        zh for _, zh in pairs if zh not in chinese
    ]


@pytest.mark.parametrize("slug", BY_TOKEN)
def test_the_guide_stands_beside_the_form_and_in_the_help(
    alice: Somebody, instance: Instance, all_seven: Seven, slug: str
) -> None:
    for page in (f"{SOURCES}{slug}/bind/", f"/help/{slug}/"):
        assert missing(alice.client, page, GUIDES[slug]) == []
    # Beside the form the token's name is made of the instance's.
    assert "mooring-prod-registry" in read(alice.client.get(f"{SOURCES}{slug}/bind/")).text


@pytest.mark.parametrize("slug", BY_CONSENT)
def test_what_will_be_asked_is_said_before_leaving_and_in_the_help(
    alice: Somebody, instance: Instance, all_seven: Seven, slug: str
) -> None:
    for page in (f"{SOURCES}{slug}/bind/", f"/help/{slug}/"):
        assert missing(alice.client, page, CONSENT[slug]) == []


@pytest.mark.parametrize("slug", ORDER)
def test_the_help_of_a_platform_has_the_rules(nobody: Client, slug: str) -> None:
    label = LABELS[slug]
    pairs = list(EVERYWHERE)
    if slug == "codearts":
        pairs.append(
            (
                "DevCloud (CodeArts) is bound by default to your current cloud account. It cannot"
                " be removed here.",
                "DevCloud（CodeArts）已默认绑定当前云账号，无法在此移除。",
            )
        )
    elif slug == "github":
        pairs.append(
            (
                "You have successfully linked your GitHub account.",
                "您已成功绑定 GitHub 账号。",
            )
        )
    else:
        pairs.append(
            (f"You have successfully bound your {label} account.", f"您已成功绑定 {label} 账号。")
        )
    assert missing(nobody, f"/help/{slug}/", pairs) == []


@pytest.mark.parametrize(("profile", "rules"), [("seed", SEED), ("extended", EXTENDED)])
@pytest.mark.parametrize("slug", ["gitlab", "gitea"])
def test_address_rules_and_allow_list_stand_in_both_places(
    alice: Somebody, instance: Instance, settings: Any, slug: str, profile: str, rules: Pairs
) -> None:
    settings.MOORING_PROFILE = profile
    for page in (f"{SOURCES}{slug}/bind/", f"/help/{slug}/"):
        assert missing(alice.client, page, [*ADDRESS, *rules]) == []


def test_the_token_page_is_filled_in_for_new_servers_and_for_older_ones(
    alice: Somebody, instance: Instance
) -> None:
    links = read(alice.client.get(f"{SOURCES}gitlab/bind/")).links.values()
    filled = "personal_access_tokens?name=mooring-prod-registry&scopes=api"
    assert f"https://gitlab.com/-/user_settings/{filled}" in links
    assert f"https://gitlab.com/-/profile/{filled}" in links


def test_the_name_of_the_app_is_shown_as_the_platform_shows_it(
    alice: Somebody, instance: Instance, all_seven: Seven
) -> None:
    page = f"{SOURCES}github/bind/"
    assert "The page is called" not in read(alice.client.get(page)).text
    host = all_seven.hosts["github"]
    host.options = {"app_name": "Acme Registry", "app_owner": "acme-inc"}
    with rls.fleet("a test's operator"):
        host.save()
    said = "The page is called “Authorize Acme Registry”. Its button says “Authorize acme-inc”."
    assert said in read(alice.client.get(page)).text


def test_forms_may_lead_to_where_people_sign_in_first(
    alice: Somebody, instance: Instance, all_seven: Seven
) -> None:
    """Chromium judges every redirect after a form by the page's policy: a sign-in at another site
    would end there."""
    host = all_seven.hosts["bitbucket"]
    host.base_url, host.slug = "https://bitbucket.org", "bitbucket-org"
    all_seven.hosts["gitlab"].options = {"sign_in": "https://sso.example"}
    with rls.fleet("a test's operator"):
        host.save()
        all_seven.hosts["gitlab"].save()
    for path, wanted in {
        SOURCES: {"https://bitbucket.org", "https://id.atlassian.com", "https://sso.example"},
        f"{SOURCES}bitbucket/bind/": {"https://bitbucket.org", "https://id.atlassian.com"},
        f"{SOURCES}gitlab/bind/?consent=1": {"https://sso.example"},
    }.items():
        policy = alice.client.get(path).headers["Content-Security-Policy"]
        allowed = next(part for part in policy.split(";") if "form-action" in part).split()
        assert wanted <= set(allowed), path
