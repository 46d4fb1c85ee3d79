// SPDX-License-Identifier: MIT
// What reaches a person: a profile that the client's reader accepts, sealed, spooled or with its client.
#include "protocol/profile/bundle.h"
#include "protocol/yaml/document.h"
#include "tests/unit/config/etc.h"
#include "tools/knockctl/host/spool.h"
#include "tools/knockctl/host/users/delivery.h"
#include "tools/knockctl/host/users/portable.h"
#include "tools/knockctl/host/users/profile_text.h"

#include <nlohmann/json.hpp>

#include <pwd.h>

using namespace xk;
using namespace xk::tools;
using test::Etc;
using test::has;

namespace {

struct Made {
    Etc etc;
    config::CredentialFile device;
    config::UserFile user;
    DeviceSecrets secrets;
    UserOptions options;

    Made() {
        ::chmod(etc.path.c_str(), 0755);
        device.user = user.name = "anna";
        device.device = "pad";
        device.id = {1, 2, 3, 4, 5, 6, 7, 8};
        device.hosts = {"server.example.net"};
        user.services = {"all"};
        with(FactorKind::totp);
    }
    void with(FactorKind factor) {
        device.factor = factor;
        make_key(secrets);
        make_factor(secrets, factor);
    }
    WipedText profile() const {
        const auto config = config::load_main((etc.path / "xknock.yaml").string());
        REQUIRE(config.has_value());
        auto text = profile_text(*config, user, device, secrets);
        REQUIRE(text.has_value());
        return *std::move(text);
    }
    std::string in(const std::string& name) const { return (etc.path / name).string(); }
    nlohmann::json deliver(bool replaces = false) {
        auto delivery = Delivery::plan(options, device);
        REQUIRE_MESSAGE(delivery.has_value(), (delivery ? "" : delivery.error().message));
        auto change = Change::begin(etc.path.string());
        REQUIRE(change.has_value());
        const auto done = delivery->deliver(*change, device, profile(), replaces);
        REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error().message));
        REQUIRE(change->commit());
        REQUIRE(change->finish());
        nlohmann::json data;
        std::string text;
        delivery->report(data, text);
        return data;
    }
    std::string refused() const {
        const auto checked = check_delivery(options, device.factor);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().exit == Exit::usage);
        return checked.error().message;
    }
};

ProfileFile read_back(std::string_view text) {
    yaml::Faults faults;
    auto section = yaml::read(text, "profile", faults);
    REQUIRE(section.has_value());
    auto profile = read_profile_file(*section);
    CHECK(faults.empty());
    return profile;
}

} // namespace

TEST_CASE("a profile has all that the client wants, and never the secret of a code") {
    Made made;
    const WipedText text = made.profile();
    const ProfileFile profile = read_back(text.view());
    CHECK(profile.hosts == made.device.hosts);
    CHECK(profile.credential == made.device.id);
    CHECK(*profile.key == *made.secrets.key);
    CHECK(profile.services.size() == 2);
    CHECK(profile.service == "ssh");
    const WipedText code = factor_text(made.secrets, FactorKind::totp);
    CHECK(text.view().find(code.view().substr(0, 20)) == std::string_view::npos);
    made.user.services = {"web"};
    CHECK(read_back(made.profile().view()).services.size() == 1);
    made.with(FactorKind::hmac);
    const ProfileFile machine = read_back(made.profile().view());
    REQUIRE(machine.hmac_key.has_value());
    CHECK(std::equal((*machine.hmac_key)->bytes, (*machine.hmac_key)->bytes + 32, made.secrets.factor->bytes));
}

TEST_CASE("a bundle opens with its passphrase, and holds the profile alone") {
    Made made;
    made.etc.write("passphrase", "correct horse battery\nsecond line\n", 0600);
    made.options.bundle = true;
    made.options.passphrase_file = made.in("passphrase");
    const std::string line = made.deliver().at("bundle");
    CHECK(is_bundle(line));
    const std::string passphrase = "correct horse battery";
    const auto opened =
        open_bundle(line, {reinterpret_cast<const std::uint8_t*>(passphrase.data()), passphrase.size()});
    REQUIRE(opened.has_value());
    CHECK(std::string_view(opened->data(), opened->size()) == made.profile().view());
    made.options.profile_file = made.in("bundle");
    CHECK(made.deliver().at("profile") == made.in("bundle"));
    struct stat st {};
    REQUIRE(::stat(made.in("bundle").c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0600);
}

TEST_CASE("a tar has the client and the profile") {
    Made made;
    const WipedText tar = portable_tar("xknock-anna-pad", made.profile().view(), 1'700'000'000);
    CHECK(tar.size() % 512 == 0);
    CHECK(tar.view().starts_with(std::string("xknock-anna-pad/xknock.py") + '\0'));
    CHECK(tar.view().find("#!/usr/bin/env python3") == 512);
    CHECK(portable_client().size() > 10'000);
    CHECK(portable_client().ends_with("\n"));
}

TEST_CASE("options that do not go together are refused, each with its reason") {
    Made made;
    UserOptions& o = made.options;
    o.bundle = o.portable = true;
    CHECK(has(made.refused(), "a profile goes one way"));
    o = {};
    o.login = "root";
    o.profile_file = "x";
    CHECK(has(made.refused(), "--login keeps the profile in the spool"));
    o = {};
    o.spool = "/x";
    CHECK(has(made.refused(), "--spool is for --login"));
    o = {};
    o.passphrase_file = "x";
    CHECK(has(made.refused(), "--passphrase-file is for --bundle"));
    o = {};
    o.machine = true;
    CHECK(has(made.refused(), "--machine is for factor hmac, and this is totp"));
    o = {};
    o.bundle = true;
    made.with(FactorKind::hmac);
    CHECK(has(made.refused(), "holds key and factor in one"));
    o.machine = true;
    CHECK(check_delivery(o, FactorKind::hmac).has_value());
    o = {};
    o.bundle = true;
    o.passphrase_file = o.same_code_as = "-";
    made.with(FactorKind::totp);
    CHECK(has(made.refused(), "standard input has the passphrase or the code's secret"));
}

TEST_CASE("the spool is for its login alone, and a stranger's directory is none") {
    if (::geteuid() != 0)
        return;
    Made made;
    const passwd* const nobody = ::getpwnam("nobody");
    REQUIRE(nobody != nullptr);
    const std::string spool = made.in("spool");
    const auto put = [&](const std::string& login, Unfetched unfetched = Unfetched::keep) {
        return put_into_spool(spool, login, "pad", "a profile", unfetched);
    };
    REQUIRE(put("nobody").has_value());
    struct stat top {
    }, own{}, file{};
    REQUIRE(::stat(spool.c_str(), &top) == 0);
    REQUIRE(::stat((spool + "/nobody").c_str(), &own) == 0);
    REQUIRE(::stat((spool + "/nobody/pad.yaml").c_str(), &file) == 0);
    CHECK((top.st_mode & 07777) == 0711);
    CHECK(top.st_uid == 0);
    CHECK((own.st_mode & 07777) == 0700);
    CHECK(own.st_uid == nobody->pw_uid);
    CHECK((file.st_mode & 07777) == 0600);
    CHECK(file.st_uid == nobody->pw_uid);
    CHECK(has(put("nobody").error().message, "waits there already"));
    CHECK(put("nobody", Unfetched::replace).has_value());
    for (const char* bad : {"", ".", "..", "a/b", "../etc", "nobodyy", "a\nb"})
        CHECK(put(bad).error().exit == Exit::usage);
    // A link in the login's own directory leads nowhere.
    made.etc.write("roots", "root's");
    std::filesystem::remove(spool + "/nobody/pad.yaml");
    std::filesystem::create_symlink(made.in("roots"), spool + "/nobody/pad.yaml");
    CHECK_FALSE(put("nobody").has_value());
    CHECK(put("nobody", Unfetched::replace).has_value());
    std::ifstream in(made.in("roots"));
    CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "root's");
    // Nor does a spool that others can write to.
    ::chmod(spool.c_str(), 0777);
    CHECK(has(put("nobody", Unfetched::replace).error().message, "can be written by others"));
    ::chmod(spool.c_str(), 0711);
    std::filesystem::rename(spool, spool + ".real");
    std::filesystem::create_directory_symlink(spool + ".real", spool);
    CHECK(has(put("nobody", Unfetched::replace).error().message, "is not a directory"));
}
