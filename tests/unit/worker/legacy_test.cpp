// SPDX-License-Identifier: MIT
//
// Packets of old clients, judged by the worker as it is shipped: in its sandbox libcrypto may open nothing any more.
#include "tests/unit/legacy/old_clients.h"
#include "tests/unit/worker/test_worker.h"

#include "daemon/authz/method.h"
#include "protocol/otp.h"

using namespace xk;
using namespace xk::test;
using legacy::test::CapyknockKey;
using legacy::test::FwknopUser;

namespace {

constexpr std::uint32_t kCapyknockPlace = 0, kFwknopPlace = 1;

struct LegacyWorker : TestWorker {
    CapyknockKey capyknock_key{};
    FwknopUser fwknop_user;

    explicit LegacyWorker(authz::HmacKind hmac = authz::HmacKind::sha256)
        : TestWorker(2, [](authz::State& state) {
              state.header().horizon = state.header().horizon_boot = state.header().refused_until = 0;
          }) {
        capyknock_key.fill(0x31);
        fwknop_user.hash = static_cast<legacy::Hash>(hmac);
        authz::Credential& capyknock = credentials[kCapyknockPlace];
        capyknock.factor = FactorKind::totp;
        capyknock.legacy.kind = authz::DeviceKind::capyknock;
        capyknock.legacy.target = Address::v4(192, 0, 2, 1);
        capyknock.legacy.port = 22;
        std::strcpy(capyknock.legacy.name, "anna");
        capyknock.modes = 1u << static_cast<unsigned>(authz::KnockMode::capyknock);
        authz::Credential& fwknop = credentials[kFwknopPlace];
        fwknop.factor = FactorKind::none;
        fwknop.legacy.kind = authz::DeviceKind::fwknop;
        fwknop.legacy.hmac = hmac;
        fwknop.modes = 1u << static_cast<unsigned>(authz::KnockMode::fwknop);
    }

    std::vector<std::string> legacy_keys() const {
        return {legacy::test::url_base64(capyknock_key) + "\n",
                "KEY_BASE64      " + legacy::test::unpadded_base64(fwknop_user.key) + "=\nHMAC_KEY_BASE64 " +
                    legacy::test::unpadded_base64(fwknop_user.hmac_key) + "==\n"};
    }
    SecretsRead hand_over_keys(const std::vector<std::string>& keys) {
        CHECK(begin().next == 0);
        give(0, keys);
        return next<SecretsRead>().value();
    }
    void start() {
        const SecretsRead read = hand_over_keys(legacy_keys());
        CHECK(read.bad_keys == 0);
        CHECK(read.bad_factors == 0);
        REQUIRE(send(worker.channel, Activate{}));
        CHECK(read_tags() == TagScope::all);
        CHECK(tags.empty()); // packets of another kind have no key here
    }

    void push(std::uint16_t kind, std::string_view packet) const {
        xk_record head{};
        head.kind = kind;
        head.version = 1;
        head.length = static_cast<std::uint16_t>(sizeof head + packet.size());
        const Address source = Address::v4(203, 0, 113, 9);
        std::memcpy(head.source.bytes, source.bytes.data(), sizeof head.source.bytes);
        head.arrived = static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count());
        std::vector<std::uint8_t> bytes(sizeof head + packet.size());
        std::memcpy(bytes.data(), &head, sizeof head);
        std::memcpy(bytes.data() + sizeof head, packet.data(), packet.size());
        ring.push(bytes);
    }
    std::int64_t unix_now() const {
        return std::chrono::floor<std::chrono::seconds>(Now::read().wall).time_since_epoch().count();
    }
    std::string capyknock_packet() const {
        const std::string secret = "12345678901234567890";
        const std::string code = totp_code({reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size()},
                                           totp_step(Now::read().wall), 6);
        const std::string plain =
            R"({"otpcode": ")" + code + R"(", "trgsrvip": "192.0.2.1", "trgsrvport": "22", "myip": "", "hash": ""})";
        return legacy::test::capyknock_wire(
            "anna", legacy::test::fernet_token(plain, capyknock_key, static_cast<std::uint64_t>(unix_now())));
    }
    std::string fwknop_packet() const {
        return legacy::test::fwknop_wire("1082939794423384:cm9vdA:" + std::to_string(unix_now()) +
                                             ":3.0.0:1:MC4wLjAuMCx0Y3AvMjI", // 0.0.0.0,tcp/22
                                         fwknop_user);
    }
    // The request for a grant that this packet becomes, and the report of it.
    void opens(std::uint16_t kind, const std::string& packet, std::uint32_t place) {
        push(kind, packet);
        const auto ask = next<RequestGrant>();
        REQUIRE(ask.has_value());
        CHECK(ask->credential == credentials[place].id);
        CHECK(Address{ask->address} == Address::v4(203, 0, 113, 9));
        CHECK(ask->port == 22);
        ReplyGrant reply;
        reply.sequence = ask->sequence;
        reply.answer = authz::Answer::done;
        REQUIRE(send(worker.channel, reply));
        const auto outcome = next<privsep::Outcome>();
        REQUIRE(outcome.has_value());
        CHECK(outcome->kind == static_cast<std::uint32_t>(OutcomeKind::accepted));
        CHECK(outcome->way == static_cast<std::uint32_t>(*authz::mode_of(static_cast<authz::RecordKind>(kind))) + 1);
        CHECK(outcome->last_use == 0);
    }
};

} // namespace

TEST_CASE("the sandboxed worker opens packets of old clients") {
    LegacyWorker w;
    w.start();
    w.opens(XK_RECORD_CAPYKNOCK, w.capyknock_packet(), kCapyknockPlace);
    w.opens(XK_RECORD_FWKNOP, w.fwknop_packet(), kFwknopPlace);
}

TEST_CASE("each hash of fwknop works in the sandbox") {
    for (const auto hmac :
         {authz::HmacKind::md5, authz::HmacKind::sha1, authz::HmacKind::sha384, authz::HmacKind::sha512}) {
        LegacyWorker w(hmac);
        w.start();
        w.opens(XK_RECORD_FWKNOP, w.fwknop_packet(), kFwknopPlace);
    }
}

TEST_CASE("copies of a capyknock packet are not reported, and a replay from elsewhere would be") {
    LegacyWorker w;
    w.start();
    const std::string packet = w.capyknock_packet();
    w.opens(XK_RECORD_CAPYKNOCK, packet, kCapyknockPlace);
    w.push(XK_RECORD_CAPYKNOCK, packet);
    w.push(XK_RECORD_CAPYKNOCK, packet);
    w.push(XK_RECORD_CAPYKNOCK, std::string(300, 'x'));
    const auto outcome = w.next<privsep::Outcome>();
    REQUIRE(outcome.has_value());
    CHECK(static_cast<authz::Reject>(outcome->reject) == authz::Reject::legacy_form);
    CHECK(outcome->way == static_cast<std::uint32_t>(authz::KnockMode::capyknock) + 1);
}

TEST_CASE("keys of old clients that are none are named by their device") {
    const auto bad = [](std::uint32_t place, const std::string& text) {
        LegacyWorker w;
        auto keys = w.legacy_keys();
        keys[place] = text;
        const SecretsRead read = w.hand_over_keys(keys);
        CHECK(read.bad_factors == 0);
        return read.bad_keys == 1u << place;
    };
    CHECK(bad(kCapyknockPlace, ""));
    CHECK(bad(kCapyknockPlace, key_of(0)));
    CHECK(bad(kCapyknockPlace, key_of(9) + key_of(9)));
    CHECK(bad(kFwknopPlace, ""));
    CHECK(bad(kFwknopPlace, key_of(9)));
    CHECK(bad(kFwknopPlace, "KEY secret\n"));
    CHECK(bad(kFwknopPlace, "HMAC_KEY secret\n"));
    CHECK(bad(kFwknopPlace, "KEY a\nKEY b\nHMAC_KEY c\n"));
    CHECK(bad(kFwknopPlace, "KEY a\nHMAC_KEY c\nUSE_HMAC Y\n"));
    CHECK(bad(kFwknopPlace, "KEY " + std::string(33, 'k') + "\nHMAC_KEY c\n"));
    CHECK(bad(kFwknopPlace, "KEY a\nHMAC_KEY_BASE64 not base64\n"));
    CHECK_FALSE(bad(kFwknopPlace, "\nHMAC_KEY  battery staple hmac \n\nKEY\tcorrect horse\r\n"));
}
