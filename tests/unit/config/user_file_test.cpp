// SPDX-License-Identifier: MIT
#include "daemon/config/user_file.h"

#include "daemon/config/credential_file.h"
#include "daemon/config/forms.h"
#include "daemon/config/writer.h"
#include "etc.h"
#include "protocol/base/secure_file.h"
#include "protocol/yaml/document.h"

#include <random>

using namespace xk;
using namespace xk::config;
using namespace std::chrono_literals;
using test::Etc;
using test::has;

namespace {

// Random values, the same ones in each run; limits come up often.
class Random {
  public:
    std::uint64_t number(std::uint64_t low, std::uint64_t high) {
        switch (engine_() % 4) {
        case 0:
            return low;
        case 1:
            return high;
        default:
            return low + engine_() % (high - low + 1);
        }
    }
    bool flag() { return engine_() % 2 == 0; }
    std::string name() {
        constexpr std::string_view kFirst = "abcXYZ0129", kRest = "abXY019-_.";
        static const char* const kWords[] = {"yes", "null", "no",         "true", "1e3",
                                             "0x1", "1.5",  "2026-01-01", "a-",   "all"};
        if (engine_() % 4 == 0)
            return kWords[engine_() % std::size(kWords)];
        std::string text(1, kFirst[engine_() % kFirst.size()]);
        for (auto more = number(0, kMaxName - 1); more > 0; --more)
            text += kRest[engine_() % kRest.size()];
        return text;
    }
    std::chrono::seconds lifetime() { return std::chrono::seconds(number(1, UINT32_MAX)); }
    WallTime date() { // years 0000 to 9999
        const auto low = std::chrono::sys_days(std::chrono::year(0) / 1 / 1).time_since_epoch() / 24h;
        const auto day = static_cast<std::int64_t>(number(0, 3652424));
        return WallTime(std::chrono::hours(24) * (low + day) + std::chrono::seconds(number(0, 86399)));
    }
    Prefix network() {
        Address address;
        for (auto& byte : address.bytes)
            byte = static_cast<std::uint8_t>(engine_());
        if (flag())
            return Prefix::around(Address::v4(static_cast<std::uint8_t>(engine_()), 2, 3, 4),
                                  static_cast<unsigned>(number(96, 128)));
        return Prefix::around(address, static_cast<unsigned>(number(0, 128)));
    }
    WeekHours hours() {
        WeekHours hours{static_cast<int>(number(0, 6)), 0};
        hours.last_day = flag() ? hours.first_day : (hours.first_day + 1) % 7;
        if (flag())
            return hours;
        hours.from = static_cast<int>(number(0, 1439));
        do
            hours.until = static_cast<int>(number(0, 1440));
        while (hours.until == hours.from);
        return hours;
    }

  private:
    std::mt19937_64 engine_{7};
};

UserFile random_user(Random& random) {
    UserFile user;
    user.name = random.name();
    for (auto n = random.number(0, 5); n > 0; --n)
        user.services.push_back(random.name());
    if (std::ranges::find(user.services, "all") != user.services.end()) // it stands alone
        user.services = {"all"};
    user.enabled = random.flag();
    user.binding = static_cast<authz::Binding>(random.number(0, 2));
    for (auto n = random.number(0, authz::kKnockModes); n > 0; --n)
        user.modes.push_back(static_cast<authz::KnockMode>(random.number(0, authz::kKnockModes - 1)));
    for (auto n = random.number(0, authz::kMaxNetworks); n > 0; --n)
        user.networks.push_back(random.network());
    if (user.binding == authz::Binding::explicit_)
        for (auto n = random.number(0, authz::kMaxNetworks); n > 0; --n)
            user.explicit_networks.push_back(random.network());
    for (auto n = random.number(0, 4); n > 0; --n) // each at most four spans
        user.hours.push_back(random.hours());
    user.lockout.most = static_cast<std::uint32_t>(random.number(1, 1000));
    user.lockout.free = static_cast<std::uint32_t>(random.number(0, user.lockout.most - 1));
    user.lockout.first = random.lifetime();
    if (random.flag())
        user.lockout.longest =
            std::chrono::seconds(random.number(static_cast<std::uint64_t>(user.lockout.first.count()), UINT32_MAX));
    if (random.flag())
        user.lifetime = random.lifetime();
    if (random.flag())
        user.max_lifetime = std::max(random.lifetime(), user.lifetime);
    if (random.flag())
        user.valid_from = random.date();
    if (const WallTime date = random.date(); random.flag() && (!user.valid_from || *user.valid_from < date))
        user.valid_until = date;
    return user;
}

CredentialFile random_credential(Random& random) {
    CredentialFile credential;
    credential.user = random.name();
    credential.device = random.name();
    for (auto& byte : credential.id)
        byte = static_cast<std::uint8_t>(random.number(0, 254));
    credential.id[0] |= 1;
    credential.factor = static_cast<FactorKind>(random.number(0, 2));
    if (random.flag())
        credential.digits = random.flag() ? 6 : 8;
    credential.enabled = random.flag();
    if (random.flag())
        credential.secrets = random.name();
    for (auto n = random.number(0, 3); n > 0; --n)
        credential.hosts.push_back(random.name());
    if (random.flag())
        credential.server = random.name();
    if (random.flag())
        credential.valid_from = random.date();
    if (const WallTime date = random.date(); random.flag() && (!credential.valid_from || *credential.valid_from < date))
        credential.valid_until = date;
    credential.kind = static_cast<authz::DeviceKind>(random.number(0, 2));
    if (credential.kind == authz::DeviceKind::capyknock) {
        credential.factor = FactorKind::totp;
        credential.digits = 6;
        credential.name = random.name();
        credential.target = Address::v4(192, 0, 2, static_cast<std::uint8_t>(random.number(0, 255)));
        credential.port = static_cast<std::uint16_t>(random.number(1, 65535));
    } else if (credential.kind == authz::DeviceKind::fwknop) {
        credential.factor = FactorKind::none;
        if (random.flag())
            credential.hmac = static_cast<authz::HmacKind>(random.number(0, 4));
    }
    return credential;
}

const CheckService kAnyService = [](std::string_view) { return Result<void>(); };

UserFile read_user(const std::string& text) {
    yaml::Faults faults;
    auto section = yaml::read(text, "f", faults);
    const UserFile user = section ? read_user_file(*section, kAnyService) : UserFile();
    CHECK_MESSAGE(faults.empty(), text << faults.error().message);
    return user;
}

CredentialFile read_credential(const std::string& text) {
    yaml::Faults faults;
    auto section = yaml::read(text, "f", faults);
    const CredentialFile credential = section ? read_credential_file(*section) : CredentialFile();
    CHECK_MESSAGE(faults.empty(), text << faults.error().message);
    return credential;
}

UserFile anna() {
    UserFile user;
    user.name = "anna";
    user.services = {"ssh"};
    return user;
}

std::string refusal(const UserFile& user) {
    const auto text = user_file_text(user);
    return text ? "(written)" : text.error().message;
}

} // namespace

TEST_CASE("a user who is written is read as the same") {
    Random random;
    for (int round = 0; round < 3000; ++round) {
        const UserFile user = random_user(random);
        const auto text = user_file_text(user, "# head\n");
        REQUIRE_MESSAGE(text.has_value(), (text ? "" : text.error().message));
        REQUIRE_MESSAGE(read_user(*text) == user, *text);
    }
}

TEST_CASE("a credential that is written is read as the same") {
    Random random;
    for (int round = 0; round < 3000; ++round) {
        const CredentialFile credential = random_credential(random);
        const auto text = credential_file_text(credential);
        REQUIRE_MESSAGE(text.has_value(), (text ? "" : text.error().message));
        REQUIRE_MESSAGE(read_credential(*text) == credential, *text);
    }
}

TEST_CASE("what is written says no more than it must") {
    CHECK(user_file_text(anna()).value() == "name: anna\nservices: [\"ssh\"]\n");
    UserFile user = anna();
    user.services = {};
    user.enabled = false;
    user.modes = {authz::KnockMode::packet, authz::KnockMode::sequence};
    user.binding = authz::Binding::explicit_;
    user.explicit_networks = {Prefix::parse("2001:db8::/32").value()};
    user.hours = {parse_week_hours("mon-fri 08:00-18:00").value(), parse_week_hours("sat 22:00-02:00").value()};
    user.lockout.free = 2;
    user.lifetime = 90s;
    user.valid_until = parse_date("2026-12-31").value();
    CHECK(user_file_text(user).value() ==
          "name: anna\nservices: []\nenabled: false\nmodes: [\"packet\", \"sequence\"]\n"
          "binding: explicit\nexplicit_networks: [\"2001:db8::/32\"]\n"
          "hours: [\"mon-fri 08:00-18:00\", \"sat 22:00-02:00\"]\nlockout: {free: 2}\nlifetime: 90s\n"
          "valid_until: 2026-12-31\n");
}

TEST_CASE("what the reader would refuse is not written") {
    UserFile user = anna();
    for (const char* name : {"", "a b", "../a", "a\nb", "-a", "\xff"}) {
        user.name = name;
        CHECK(has(refusal(user), "name: "));
    }
    user = anna();
    user.services = {"s h"};
    CHECK(has(refusal(user), "services: \"s h\" is not a name"));
    user = anna();
    user.lifetime = 2h;
    user.max_lifetime = 1h;
    user.valid_from = user.valid_until = WallTime(0s);
    CHECK(refusal(user) == "lifetime is longer than max_lifetime\nvalid_until is not after valid_from");
    user = anna();
    user.lifetime = std::chrono::seconds(std::int64_t{UINT32_MAX} + 1);
    CHECK(has(refusal(user), "lifetime: "));
    user.lifetime = -1s;
    CHECK(has(refusal(user), "lifetime: "));
    user = anna();
    user.valid_from = WallTime(std::chrono::microseconds(1));
    CHECK(has(refusal(user), "valid_from: \"1970-01-01T00:00:00Z\" would be read as another value"));
    user.valid_from = WallTime::max();
    CHECK(has(refusal(user), "valid_from: "));
    user = anna();
    user.lockout.free = 50;
    CHECK(has(refusal(user), "\"free\" wrong codes must be fewer than \"most\""));
    user = anna();
    user.networks.assign(9, Prefix::parse("192.0.2.1").value());
    CHECK(has(refusal(user), "networks: these are more than 8 networks"));
    user = anna();
    user.explicit_networks.assign(1, Prefix::parse("192.0.2.1").value());
    CHECK(has(refusal(user), "is for \"binding: explicit\" only"));
    user = anna();
    user.hours.assign(3, parse_week_hours("sun-sat").value());
    CHECK(has(refusal(user), "hours: these are more than 16 spans"));
    CredentialFile credential;
    credential.digits = 7;
    const std::string faults = credential_file_text(credential).error().message;
    for (const char* part : {"user: ", "device: ", "id: ", "a code has 6 or 8 digits"})
        CHECK(has(faults, part));
}

TEST_CASE("files of users and credentials are made once, and changed without harm to what stands in them") {
    const Etc etc;
    const std::string file = (etc.path / "users/carl.yaml").string();
    UserFile carl = anna();
    carl.name = "carl";
    REQUIRE(create_user_file(file, carl, "# Carl, who is new\n"));
    CHECK_FALSE(create_user_file(file, anna()).has_value());
    carl.enabled = false;
    carl.hours = {parse_week_hours("mon").value()};
    REQUIRE(update_user_file(file, carl));
    CHECK(read_checked(file, {}).value() == "# Carl, who is new\nname: carl\nservices: [\"ssh\"]\nenabled: false\n"
                                            "hours: [\"mon\"]\n");
    carl.enabled = true;
    REQUIRE(update_user_file(file, carl));
    CHECK(read_checked(file, {}).value() == "# Carl, who is new\nname: carl\nservices: [\"ssh\"]\nhours: [\"mon\"]\n");
    CHECK(etc.load().has_value());

    const std::string own =
        "name: bob # of the workshop\nservices:   # both\n  - ssh\n  - web\nlockout: {most: 3, free: 1}\n";
    etc.write("users/bob.yaml", own);
    UserFile bob = read_user(own);
    bob.lifetime = 30s;
    REQUIRE(update_user_file((etc.path / "users/bob.yaml").string(), bob));
    CHECK(read_checked((etc.path / "users/bob.yaml").string(), {}).value() == own + "lifetime: 30s\n");
    bob.services = {"ssh"};
    const auto refused = update_user_file((etc.path / "users/bob.yaml").string(), bob);
    REQUIRE_FALSE(refused.has_value());
    CHECK(has(refused.error().message, "users/bob.yaml:2: \"services\" cannot be changed"));
    CHECK(refused.error().hint == "write by hand, in a line of its own: services: [\"ssh\"]");
    CHECK(read_checked((etc.path / "users/bob.yaml").string(), {}).value() == own + "lifetime: 30s\n");

    const std::string device = (etc.path / "credentials/bob.pc.yaml").string();
    CredentialFile pc = read_credential(read_checked(device, {}).value());
    pc.valid_until = parse_date("2027-01-15").value();
    REQUIRE(update_credential_file(device, pc));
    CHECK(read_credential(read_checked(device, {}).value()) == pc);
    CHECK_FALSE(create_credential_file(device, pc).has_value());
}

TEST_CASE("a change of any user to any other one is that change, or is refused") {
    Random random;
    const Etc etc;
    const std::string file = (etc.path / "users/carl.yaml").string();
    for (int round = 0; round < 300; ++round) {
        const UserFile before = random_user(random), after = random_user(random);
        std::filesystem::remove(file);
        REQUIRE(create_user_file(file, before, "# kept\n"));
        const auto done = update_user_file(file, after);
        REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error().message));
        const std::string text = read_checked(file, {}).value();
        REQUIRE_MESSAGE(read_user(text) == after, text);
        CHECK(text.starts_with("# kept\n"));
    }
}

TEST_CASE("files that the release before wrote are read as they were") {
    const UserFile user = read_user("# Rights of one user; docs/configuration.md describes every key.\n"
                                    "name: anna\n"
                                    "services: [\"ssh\", \"web\"]\n"
                                    "# lifetime: 30s      # of a grant, when the client asks for none\n"
                                    "# max_lifetime: 1h\n");
    UserFile wanted = anna();
    wanted.services = {"ssh", "web"};
    CHECK(user == wanted);
    const std::string device = "user: anna\ndevice: laptop\nid: \"78b43b124fd41ca6\"\nfactor: totp\ndigits: 6\n";
    const CredentialFile credential = read_credential(device);
    CHECK(credential.user == "anna");
    CHECK(credential.device == "laptop");
    CHECK(credential.factor == FactorKind::totp);
    CHECK(credential.digits == 6);
    CHECK(credential.enabled);
    CHECK(credential_file_text(credential).value() == device);
}
