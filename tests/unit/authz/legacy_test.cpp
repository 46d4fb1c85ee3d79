// SPDX-License-Identifier: MIT
//
// Knocks of old clients through the whole judgement: what opens, for whom and how long, what is refused and why, that a
// packet counts once over restarts and boots, and the faults of the originals.
#include "fixtures.h"
#include "protocol/encoding.h"
#include "tests/unit/legacy/old_clients.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <map>

using namespace xk;
using namespace xk::test;
using legacy::test::CapyknockKey;
using legacy::test::FwknopUser;
using nlohmann::json;

namespace {

constexpr const char* kSource = "203.0.113.9";
constexpr const char* kAttacker = "198.51.100.66";
constexpr const char* kName = "QMQsrABBpkzunySvkzmizCw1";

CapyknockKey counting_capyknock_key() {
    CapyknockKey key;
    for (std::size_t i = 0; i < key.size(); ++i)
        key[i] = static_cast<std::uint8_t>(i);
    return key;
}

// Beside the devices of Setup: two of capyknock and two of fwknop.
struct Legacy : Setup {
    std::uint32_t capyknock = 0, other_capyknock = 0, fwknop = 0, other_fwknop = 0;
    CapyknockKey capyknock_key = counting_capyknock_key();
    FwknopUser fwknop_user, other_user{legacy::test::Buffer(32, 0x21), legacy::test::Buffer(64, 0x41)};
    Bytes<20> totp = kTotpSecret;

    Legacy() {
        now.wall = WallTime(1'700'000'000s);
        capyknock = add("carla", DeviceKind::capyknock, KnockMode::capyknock, FactorKind::totp);
        other_capyknock = add("chris", DeviceKind::capyknock, KnockMode::capyknock, FactorKind::totp);
        fwknop = add("fred", DeviceKind::fwknop, KnockMode::fwknop, FactorKind::none);
        other_fwknop = add("fina", DeviceKind::fwknop, KnockMode::fwknop, FactorKind::none);
        name(capyknock, kName);
        name(other_capyknock, "other");
        policy.credentials[fwknop].services.set(1);
        begin();
    }

    std::uint32_t add(const char* user, DeviceKind kind, KnockMode mode, FactorKind factor) {
        Credential c;
        c.id = {static_cast<std::uint8_t>(policy.credentials.size() + 1), 0xcc};
        c.user = Name(user);
        c.device = Name("old");
        c.factor = factor;
        c.services.set(0);
        c.legacy.kind = kind;
        c.modes.reset();
        c.modes.set(static_cast<std::size_t>(mode));
        policy.credentials.push_back(c);
        return static_cast<std::uint32_t>(policy.credentials.size() - 1);
    }
    void name(std::uint32_t who, std::string_view text) {
        LegacyClient& client = policy.credentials[who].legacy;
        std::ranges::copy(text, client.name);
        client.target = address("192.0.2.1");
        client.port = 22;
    }

    // A new judge, which gets everybody by a change as a worker does. The state is the one that is there.
    void begin() {
        judge = std::make_unique<Judge>(Policy{}, Secret<CredentialKeys>(0), Secret<FactorSecret>(0), state, bans, now,
                                        admission);
        change_all();
    }
    void change_all() {
        PolicyChange change;
        change.places = static_cast<std::uint32_t>(policy.credentials.size());
        change.settings = policy.settings;
        change.services = policy.services;
        LegacySecrets secrets;
        std::vector<CredentialKeys> keys(change.places);
        std::vector<FactorSecret> factors(change.places);
        for (std::uint32_t i = 0; i < change.places; ++i) {
            change.changed.push_back({i, policy.credentials[i]});
            derive_keys(keys[i], Key{static_cast<std::uint8_t>(i + 1)}, kServer, policy.credentials[i].id);
            factors[i].size = static_cast<std::uint32_t>(totp.size());
            std::copy(totp.begin(), totp.end(), factors[i].bytes);
            if (policy.credentials[i].legacy.kind != DeviceKind::xknock)
                fill(secrets.add(i), i);
        }
        judge->change_policy(std::move(change), keys, factors, now, secrets);
        judge->follow_clock(now);
    }
    void fill(LegacySecret& secret, std::uint32_t who) const {
        const bool is_capyknock = policy.credentials[who].legacy.kind == DeviceKind::capyknock;
        const FwknopUser& user = who == fwknop ? fwknop_user : other_user;
        const ByteView key = is_capyknock ? ByteView(capyknock_key) : ByteView(user.key);
        secret.key_size = static_cast<std::uint32_t>(key.size());
        std::ranges::copy(key, secret.key);
        if (who == other_capyknock)
            secret.key[0] ^= 0x55; // of the HMAC;
        if (is_capyknock)
            return;
        secret.hmac_key_size = static_cast<std::uint32_t>(user.hmac_key.size());
        std::ranges::copy(user.hmac_key, secret.hmac_key);
    }

    Record record_of(RecordKind kind, std::string_view bytes, const char* source = kSource) const {
        Record r;
        r.kind = kind;
        r.source = address(source);
        r.destination = address("192.0.2.1");
        r.source_port = 40000;
        r.arrived = now.boot;
        r.bytes.assign({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
        return r;
    }
    Outcome capy(std::string_view wire, const char* source = kSource) {
        return judged(record_of(RecordKind::capyknock, wire, source));
    }
    Outcome fwk(std::string_view wire, const char* source = kSource) {
        return judged(record_of(RecordKind::fwknop, wire, source));
    }

    std::int64_t unix_now() const {
        return std::chrono::floor<std::chrono::seconds>(now.wall).time_since_epoch().count();
    }
    std::string code(int steps = 0) const {
        return totp_code(totp, totp_step(now.wall) + static_cast<TotpStep>(steps), 6);
    }
    // As the client writes them; the values are JSON.
    std::string plaintext(const std::string& code_json, const std::string& port = R"("22")",
                          const std::string& myip = "", const std::string& target = "192.0.2.1") const {
        return R"({"otpcode": )" + code_json + R"(, "trgsrvip": ")" + target + R"(", "trgsrvport": )" + port +
               R"(, "myip": ")" + myip + R"(", "hash": ""})";
    }
    std::string wire_of(const std::string& plain, std::int64_t ahead = 0) const {
        return legacy::test::capyknock_wire(
            kName, legacy::test::fernet_token(plain, capyknock_key, static_cast<std::uint64_t>(unix_now() + ahead)));
    }
    std::string capy_wire(int steps = 0, std::int64_t ahead = 0) const {
        return wire_of(plaintext('"' + code(steps) + '"'), ahead);
    }
    std::string fwk_wire(const std::string& message = "203.0.113.9,tcp/22", const std::string& more = "",
                         std::int64_t ahead = 0, const char* type = "1") const {
        return legacy::test::fwknop_wire(fields(message, more, ahead, type), fwknop_user);
    }
    std::string fields(const std::string& message, const std::string& more, std::int64_t ahead,
                       const char* type) const {
        return "1082939794423384:cm9vdA:" + std::to_string(unix_now() + ahead) + ":3.0.0:" + type + ":" +
               legacy::test::unpadded_base64({reinterpret_cast<const std::uint8_t*>(message.data()), message.size()}) +
               more;
    }
    const CredentialState& state_of(std::uint32_t who) const { return *state.find(policy.credentials[who].id); }
};

json read_json(const char* file) {
    std::ifstream in(std::string(XK_VECTORS) + "/" + file);
    REQUIRE(in.good());
    return json::parse(in);
}

std::string from_padded(const std::string& base64) {
    std::string out(base64.size(), '\0');
    std::size_t size = 0;
    REQUIRE(sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), base64.data(), base64.size(),
                              nullptr, &size, nullptr, sodium_base64_VARIANT_ORIGINAL) == 0);
    out.resize(size);
    return out;
}

} // namespace

TEST_CASE("a capyknock packet opens the port of its device for its source") {
    Legacy s;
    const Outcome outcome = s.capy(s.capy_wire());
    REQUIRE(is_accepted(outcome));
    CHECK(outcome.credential == s.capyknock);
    CHECK(outcome.way == KnockMode::capyknock);
    CHECK(outcome.accepted()->what == "ssh");
    CHECK_FALSE(outcome.accepted()->last_use);
    REQUIRE(s.firewall.opened.size() == 1);
    CHECK(s.firewall.opened[0].address == address(kSource));
    CHECK(s.firewall.opened[0].endpoint == Endpoint{IpProtocol::tcp, 22});
    CHECK(s.firewall.opened[0].target == Address{});
    CHECK(s.firewall.opened[0].lifetime == 0);
    s.pass(60s);
    const Outcome later = s.capy(s.capy_wire());
    REQUIRE(is_accepted(later));
    CHECK(later.accepted()->last_use == s.now.wall - 60s);
}

TEST_CASE("the three copies of a capyknock packet count once, and are no news; from elsewhere they are replays") {
    Legacy s;
    const std::string wire = s.capy_wire();
    CHECK(is_accepted(s.capy(wire)));
    for (int copy = 0; copy < 2; ++copy) {
        const Outcome outcome = s.capy(wire);
        CHECK(is_refused(outcome, Reject::replay));
        CHECK(outcome.refused()->is_copy);
    }
    const Outcome foreign = s.capy(wire, kAttacker);
    CHECK(is_refused(foreign, Reject::replay));
    CHECK_FALSE(foreign.refused()->is_copy);
    CHECK(s.firewall.opened.size() == 1);
    s.begin();
    CHECK(is_refused(s.capy(wire), Reject::replay));
    // Refused ones are wrong once.
    s.pass(60s);
    const std::string wrong = s.wire_of(s.plaintext(R"("000000")"));
    CHECK(is_refused(s.capy(wrong), Reject::wrong_code));
    CHECK(is_refused(s.capy(wrong), Reject::replay));
    CHECK(s.state_of(s.capyknock).failures == 1);
}

TEST_CASE("the same packet in another envelope, and its code in another packet, are used") {
    Legacy s;
    const std::string token = legacy::test::fernet_token(s.plaintext('"' + s.code() + '"'), s.capyknock_key,
                                                         static_cast<std::uint64_t>(s.unix_now()));
    CHECK(is_accepted(s.capy(legacy::test::capyknock_wire(kName, token))));
    CHECK(is_refused(s.capy(R"({"payload":")" + token + R"(","x":1,"usrnm":")" + kName + R"("})", kAttacker),
                     Reject::replay));
    CHECK(is_refused(s.capy(s.wire_of(s.plaintext('"' + s.code() + '"', "22"))), Reject::code_used));
    CHECK(is_refused(s.capy(s.capy_wire(-1)), Reject::code_used)); // earlier than the one that was used
    CHECK(s.firewall.opened.size() == 1);
}

TEST_CASE("a code of the half minute before or after is good, and no other one") {
    for (const int steps : {-1, 0, 1}) {
        Legacy s;
        CHECK(is_accepted(s.capy(s.capy_wire(steps, 30 * steps))));
    }
    for (const int steps : {-2, 2}) {
        Legacy s;
        CHECK(is_refused(s.capy(s.capy_wire(steps, 30 * steps)), Reject::wrong_code));
        CHECK(is_refused(s.capy(s.capy_wire(0, 31 * steps)), steps < 0 ? Reject::stale : Reject::future));
        CHECK(s.state_of(s.capyknock).failures == 1); // a wrong clock is no guess
    }
}

TEST_CASE("codes with leading zeros and ports as numbers: the vectors with their user, clock and source") {
    const json vectors = read_json("capyknock.json");
    const std::map<std::string, Reject> refused = {{"myip-shell", Reject::address},
                                                   {"plaintext-501", Reject::legacy_form},
                                                   {"hmac-flipped", Reject::mac},
                                                   {"empty-name", Reject::legacy_form},
                                                   {"wrong-target", Reject::target},
                                                   {"wrong-port", Reject::port},
                                                   {"wrong-code", Reject::wrong_code},
                                                   // Its sender's clock was an hour behind, and its code is of now.
                                                   {"old-fernet-time", Reject::stale}};
    std::size_t opened = 0;
    for (const json& vector : vectors.at("vectors")) {
        const std::string name = vector.at("name");
        CAPTURE(name);
        if (!vector.contains("wire") || !vector.contains("now"))
            continue;
        Legacy s;
        s.now.wall = WallTime(std::chrono::seconds(vector.at("now").get<std::int64_t>()));
        REQUIRE(from_base32(vector.value("otpkey", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), s.totp) == s.totp.size());
        s.policy.credentials[s.capyknock].binding = Binding::explicit_;
        s.begin();
        const Outcome outcome = s.capy(vector.at("wire").get<std::string>());
        const auto found = refused.find(name);
        if (found == refused.end()) {
            CHECK(is_accepted(outcome));
            ++opened;
        } else {
            CHECK(is_refused(outcome, found->second));
        }
    }
    CHECK(opened >= 5);
}

TEST_CASE("each part of a capyknock request has to be right") {
    Legacy s;
    const std::string right = '"' + s.code() + '"';
    const auto outcome = [&](const std::string& plain) { return s.capy(s.wire_of(plain)); };
    CHECK(is_refused(outcome(s.plaintext(right, R"("23")")), Reject::port));
    CHECK(is_refused(outcome(s.plaintext(right, "0")), Reject::port));
    CHECK(is_refused(outcome(s.plaintext(right, R"("22")", "", "192.0.2.2")), Reject::target));
    CHECK(is_refused(outcome(s.plaintext(right, R"("22")", "fe80::1%eth0; reboot")), Reject::address));
    CHECK(is_refused(outcome(s.plaintext(R"("12345")")), Reject::proof_form));
    CHECK(is_refused(outcome(s.plaintext("1234567")), Reject::proof_form));
    CHECK(is_refused(outcome("[]"), Reject::legacy_form));
    CHECK(is_refused(outcome(s.plaintext(R"("000000")")), Reject::wrong_code));
    const std::string token =
        legacy::test::fernet_token(s.plaintext(right), s.capyknock_key, static_cast<std::uint64_t>(s.unix_now()));
    CHECK(is_refused(s.capy(legacy::test::capyknock_wire("nobody", token)), Reject::tag));
    CHECK(is_refused(s.capy(legacy::test::capyknock_wire("other", token)), Reject::mac)); // another user's key
    CHECK(is_refused(s.capy(R"({"banip": "203.0.113.9"})"), Reject::legacy_form));
    CHECK(is_refused(s.capy(legacy::test::capyknock_wire(
                         kName, legacy::test::fernet_token(s.plaintext(right), s.capyknock_key, ~std::uint64_t{0}))),
                     Reject::clock));
    CHECK(s.firewall.untouched());
    CHECK(s.state_of(s.capyknock).failures == 1);
    CHECK(is_accepted(outcome(s.plaintext(right, "22"))));
}

TEST_CASE("no capyknock packet that is cut or has one bit flipped opens") {
    Legacy s;
    const std::string wire = s.capy_wire();
    for (std::size_t size = 0; size < wire.size(); ++size)
        CHECK(s.capy(wire.substr(0, size)).refused() != nullptr);
    const std::size_t token = wire.find("gAAAA");
    for (std::size_t bit = 0; bit < 8 * wire.size(); ++bit) {
        std::string flipped = wire;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
        const bool is_other_text = bit / 8 < token || bit / 8 + 2 >= wire.size();
        const Outcome outcome = s.capy(flipped);
        // White space in the envelope may have another form.
        if (is_other_text && outcome.accepted() != nullptr)
            s.begin();
        else
            CHECK(outcome.refused() != nullptr);
    }
}

TEST_CASE("myip is an address that the user's binding allows") {
    Legacy s;
    const auto knock = [&](const char* myip) {
        s.pass(60s);
        s.firewall.opened.clear();
        return s.capy(s.wire_of(s.plaintext('"' + s.code() + '"', R"("22")", myip)));
    };
    CHECK(is_accepted(knock(kSource))); // the source itself
    CHECK(is_refused(knock("203.0.113.77"), Reject::delegation));
    s.policy.credentials[s.capyknock].binding = Binding::match;
    s.begin();
    CHECK(is_refused(knock(""), Reject::binding));
    CHECK(is_accepted(knock(kSource)));
    s.policy.credentials[s.capyknock].binding = Binding::explicit_;
    s.begin();
    CHECK(is_accepted(knock("2001:db8::7")));
    REQUIRE(s.firewall.opened.size() == 1);
    CHECK(s.firewall.opened[0].address == address("2001:db8::7"));
}

TEST_CASE("a target behind this host is what a capyknock packet opens") {
    Legacy s;
    s.policy.services[0].target4 = address("10.9.8.7");
    s.policy.credentials[s.capyknock].legacy.target = address("10.9.8.7");
    s.begin();
    CHECK(is_accepted(s.capy(s.wire_of(s.plaintext('"' + s.code() + '"', "22", "", "10.9.8.7")))));
    REQUIRE(s.firewall.opened.size() == 1);
    CHECK(s.firewall.opened[0].target == address("10.9.8.7"));
}

TEST_CASE("faults of the original: junk before a knock does not open for its sender, nor keep the knock out") {
    Legacy s;
    const std::string wire = s.capy_wire();
    const std::string token = wire.substr(wire.find("gAAAA"));
    // Two that shift its queues, one with an empty name that kills it, and fifty that keep it busy.
    CHECK(s.capy("junk", kAttacker).refused() != nullptr);
    CHECK(s.capy(R"({"usrnm": "x"})", kAttacker).refused() != nullptr);
    CHECK(is_refused(s.capy(R"({"usrnm": "", "payload": ")" + token, kAttacker), Reject::legacy_form));
    for (int i = 0; i < 50; ++i)
        CHECK(s.capy(std::string(static_cast<std::size_t>(i * 29), 'x'), kAttacker).refused() != nullptr);
    CHECK(is_accepted(s.capy(wire)));
    REQUIRE(s.firewall.opened.size() == 1);
    CHECK(s.firewall.opened[0].address == address(kSource));
}

TEST_CASE("after an unclean boot no packet of before opens, however its client's clock was wrong") {
    for (const std::int64_t ahead : {-30, 0, 30}) {
        Legacy s;
        s.now.wall += 15s;
        const int steps = static_cast<int>(ahead / 30);
        const std::string capy = s.capy_wire(steps, ahead), fwk = s.fwk_wire("0.0.0.0,tcp/22", "", 4 * ahead);
        s.state.begin_boot({0xb1}, s.now, s.policy.settings.skew, {});
        s.begin();
        for (int second = 0; second < 130; ++second) {
            CHECK(s.capy(capy).refused() != nullptr);
            CHECK(s.fwk(fwk).refused() != nullptr);
            s.pass(1s);
        }
        CHECK(s.firewall.untouched());
        CHECK(is_accepted(s.capy(s.capy_wire())));
        CHECK(is_accepted(s.fwk(s.fwk_wire("0.0.0.0,tcp/22"))));
    }
}

TEST_CASE("an fwknop packet opens what it asks for, as long as it asks for") {
    Legacy s;
    const Outcome outcome = s.fwk(s.fwk_wire());
    REQUIRE(is_accepted(outcome));
    CHECK(outcome.credential == s.fwknop);
    CHECK(outcome.way == KnockMode::fwknop);
    REQUIRE(s.firewall.opened.size() == 1);
    CHECK(s.firewall.opened[0].address == address(kSource));
    CHECK(s.firewall.opened[0].endpoint == Endpoint{IpProtocol::tcp, 22});
    CHECK(s.firewall.opened[0].lifetime == 0);
    CHECK(is_accepted(s.fwk(s.fwk_wire("0.0.0.0,tcp/22", ":90", 0, "3"), kAttacker)));
    REQUIRE(s.firewall.opened.size() == 2);
    CHECK(s.firewall.opened[1].address == address(kAttacker));
    CHECK(s.firewall.opened[1].lifetime == 90);
}

TEST_CASE("an fwknop packet opens for its source, or for the address that the user's binding allows") {
    Legacy s;
    CHECK(is_refused(s.fwk(s.fwk_wire(), kAttacker), Reject::delegation));
    s.policy.credentials[s.fwknop].binding = Binding::match;
    s.begin();
    CHECK(is_refused(s.fwk(s.fwk_wire("0.0.0.0,tcp/22")), Reject::binding));
    CHECK(is_accepted(s.fwk(s.fwk_wire("203.0.113.9,tcp/22", "", 1))));
    s.policy.credentials[s.fwknop].binding = Binding::explicit_;
    s.begin();
    CHECK(is_accepted(s.fwk(s.fwk_wire("203.0.113.9,tcp/22", "", 2), kAttacker)));
    CHECK(s.firewall.opened.back().address == address(kSource));
}

TEST_CASE("several ports in one fwknop packet are ports of one service, or nothing opens") {
    Legacy s;
    CHECK(is_accepted(s.fwk(s.fwk_wire("203.0.113.9,tcp/80,tcp/443"))));
    REQUIRE(s.firewall.opened.size() == 1);
    CHECK(s.firewall.opened[0].service == service_id("web"));
    CHECK(is_refused(s.fwk(s.fwk_wire("203.0.113.9,tcp/80,tcp/22")), Reject::service));
    CHECK(is_refused(s.fwk(s.fwk_wire("203.0.113.9,tcp/80,udp/443")), Reject::service));
    CHECK(is_refused(s.fwk(s.fwk_wire("203.0.113.9,tcp/25")), Reject::service));
    s.policy.credentials[s.fwknop].services.reset(1);
    s.begin();
    CHECK(is_refused(s.fwk(s.fwk_wire("203.0.113.9,tcp/443,tcp/80")), Reject::service));
    CHECK(s.firewall.opened.size() == 1);
}

TEST_CASE("an fwknop packet is its user's, who is found by the keys alone") {
    Legacy s;
    const std::string theirs = legacy::test::fwknop_wire(s.fields("0.0.0.0,tcp/22", "", 0, "1"), s.other_user);
    CHECK(s.fwk(theirs).credential == s.other_fwknop);
    const FwknopUser nobody{legacy::test::Buffer(32, 0x22), legacy::test::Buffer(64, 0x42)};
    const Outcome outcome = s.fwk(legacy::test::fwknop_wire(s.fields("0.0.0.0,tcp/22", "", 0, "1"), nobody));
    CHECK(is_refused(outcome, Reject::mac));
    CHECK_FALSE(outcome.credential);
    // Two who share an HMAC key: the second one is found too, and one whose packet nobody can open is the first one's.
    s.other_user.hmac_key = s.fwknop_user.hmac_key;
    s.begin();
    CHECK(s.fwk(legacy::test::fwknop_wire(s.fields("0.0.0.0,tcp/22", "", 1, "1"), s.other_user)).credential ==
          s.other_fwknop);
    const FwknopUser third{nobody.key, s.fwknop_user.hmac_key};
    const Outcome locked = s.fwk(legacy::test::fwknop_wire(s.fields("0.0.0.0,tcp/22", "", 0, "1"), third));
    CHECK(is_refused(locked, Reject::box));
    CHECK(locked.credential == s.fwknop);
}

TEST_CASE("the vectors of the unmodified fwknop client, each with its keys") {
    const json vectors = read_json("fwknop.json");
    std::size_t opened = 0, refused = 0;
    for (const char* list : {"packets", "crafted"})
        for (const json& vector : vectors.at(list)) {
            CAPTURE(vector.at("name").get<std::string>());
            if (vector.at("hmac_type").is_null())
                continue;
            Legacy s;
            const std::string hash = vector.at("hmac_type");
            const auto kind = std::ranges::find(kHmacKindNames, hash);
            if (kind == kHmacKindNames.end())
                continue;
            const std::string key = from_padded(vector.at("key_base64")),
                              hmac = from_padded(vector.at("hmac_key_base64"));
            s.fwknop_user.key.assign(key.begin(), key.end());
            s.fwknop_user.hmac_key.assign(hmac.begin(), hmac.end());
            s.policy.credentials[s.fwknop].legacy.hmac = static_cast<HmacKind>(kind - kHmacKindNames.begin());
            s.policy.credentials[s.fwknop].binding = Binding::explicit_;
            s.policy.services[0].ports[1] = PortRange::parse("udp/53").value();
            s.policy.services[0].port_count = 2;
            s.begin();
            const bool did_open = s.fwk(vector.at("wire").get<std::string>()).accepted() != nullptr;
            const std::string expected = vector.at("expect");
            if (expected.starts_with("accept or refuse") ||
                (!expected.starts_with("accept") && !expected.starts_with("refuse")))
                continue;
            CHECK(did_open == expected.starts_with("accept"));
            ++(did_open ? opened : refused);
        }
    CHECK(opened >= 8);
    CHECK(refused >= 15);
}

TEST_CASE("other messages than access are refused with their reason") {
    Legacy s;
    for (const char* type : {"0", "2", "4", "5", "6"})
        CHECK(is_refused(s.fwk(s.fwk_wire("203.0.113.9,tcp/22", "", 0, type)), Reject::legacy_type));
    CHECK(is_refused(s.fwk(s.fwk_wire("203.0.113.9,tcp/22", ":c2VydmVy")), Reject::legacy_form)); // server-auth
    CHECK(is_refused(s.fwk(s.fwk_wire("2001:db8::1,tcp/22")), Reject::address));
    CHECK(is_refused(s.fwk(s.fwk_wire("203.0.113.9,icmp/1")), Reject::port));
    CHECK(s.firewall.untouched());
}

TEST_CASE("an fwknop packet is good for two minutes either way, once, over restarts") {
    Legacy s;
    CHECK(is_refused(s.fwk(s.fwk_wire("0.0.0.0,tcp/22", "", -121)), Reject::stale));
    CHECK(is_refused(s.fwk(s.fwk_wire("0.0.0.0,tcp/22", "", 121)), Reject::future));
    const std::string old = s.fwk_wire("0.0.0.0,tcp/22", "", -120), early = s.fwk_wire("0.0.0.0,tcp/22", "", 120);
    CHECK(is_accepted(s.fwk(old)));
    CHECK(is_accepted(s.fwk(early)));
    CHECK(s.state.believes(s.now, s.policy.settings.skew)); // such a client does not make our own clock wrong
    for (int second = 0; second < 250; ++second) {
        if (second % 50 == 0)
            s.begin();
        // Others knock with clocks that are ahead, which lets the memory forget what is old.
        if (second % 20 == 0)
            (void)s.knock(kPlain, [&] {
                Request r = s.request(kPlain);
                r.clock += 30s;
                return r;
            }());
        CHECK(s.fwk(old, kAttacker).refused() != nullptr);
        CHECK(s.fwk(early, kAttacker).refused() != nullptr);
        s.pass(1s);
    }
    for (const GrantRequest& request : s.firewall.opened)
        CHECK(request.address != address(kAttacker));
}

TEST_CASE("no fwknop packet opens again when our clock goes back") {
    Legacy s;
    const std::string wire = s.fwk_wire();
    const WallTime then = s.now.wall;
    CHECK(is_accepted(s.fwk(wire)));
    s.pass(1h);
    CHECK(is_accepted(s.knock(kPlain)));
    s.set_wall(then);
    CHECK(is_refused(s.fwk(wire), Reject::horizon));
    s.set_wall(then + 1h);
    CHECK(is_accepted(s.fwk(s.fwk_wire("203.0.113.9,tcp/22", "", 1))));
}

TEST_CASE("while our clock is wrong no packet of an old client is judged") {
    Legacy s;
    s.judge->set_clock_credible(false);
    CHECK(is_refused(s.fwk(s.fwk_wire()), Reject::server_clock));
    CHECK(is_refused(s.capy(s.capy_wire()), Reject::server_clock));
    s.judge->set_clock_credible(true);
    CHECK(is_accepted(s.fwk(s.fwk_wire())));
}

TEST_CASE("no fwknop packet that is cut or has one bit flipped opens") {
    Legacy s;
    const std::string wire = s.fwk_wire();
    for (std::size_t size = 0; size < wire.size(); ++size)
        CHECK(s.fwk(wire.substr(0, size)).refused() != nullptr);
    for (std::size_t bit = 0; bit < 8 * wire.size(); ++bit) {
        std::string flipped = wire;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
        CHECK(s.fwk(flipped).refused() != nullptr);
    }
    CHECK(s.firewall.untouched());
    CHECK(is_accepted(s.fwk(wire)));
}

TEST_CASE("an old client needs its mode, and its packet is of no other kind") {
    Legacy s;
    const std::string capy = s.capy_wire(), fwk = s.fwk_wire();
    CHECK(s.fwk(capy).refused() != nullptr);
    CHECK(s.capy(fwk).refused() != nullptr);
    s.policy.credentials[s.capyknock].modes.reset();
    s.policy.credentials[s.fwknop].modes.reset();
    s.begin();
    CHECK(is_refused(s.capy(capy), Reject::mode));
    CHECK(is_refused(s.fwk(fwk), Reject::mode));
    s.policy.credentials[s.fwknop].enabled = false;
    s.begin();
    CHECK(is_refused(s.fwk(s.fwk_wire("0.0.0.0,tcp/22")), Reject::disabled));
    CHECK(s.firewall.untouched());
}

TEST_CASE("a reload moves a name to another place, and takes keys away") {
    Legacy s;
    std::swap(s.policy.credentials[s.capyknock].legacy, s.policy.credentials[s.other_capyknock].legacy);
    s.change_all();
    CHECK(is_refused(s.capy(s.capy_wire()), Reject::mac)); // the other device has another key
    s.policy.credentials[s.capyknock].legacy = {};
    s.change_all();
    CHECK(is_refused(s.capy(legacy::test::capyknock_wire("other", "gAAAAA")), Reject::tag));
    PolicyChange change;
    change.places = static_cast<std::uint32_t>(s.policy.credentials.size());
    change.settings = s.policy.settings;
    change.services = s.policy.services;
    change.emptied = {s.other_capyknock, s.fwknop};
    const std::string fwk = s.fwk_wire();
    s.judge->change_policy(change, {}, {}, s.now);
    CHECK(is_refused(s.capy(s.capy_wire()), Reject::tag));
    CHECK(is_refused(s.fwk(fwk), Reject::mac));
}

TEST_CASE("a device of an old client without its keys, or with unfit ones, is nobody's, and keeps nobody out") {
    Legacy s;
    const auto wire_of_other = [&](int ahead) {
        return legacy::test::fwknop_wire(s.fields("0.0.0.0,tcp/22", "", ahead, "1"), s.other_user);
    };
    CHECK(is_refused(s.fwk(std::string(204, '!')), Reject::legacy_form)); // whatever the keys are
    s.fwknop_user.hmac_key.clear();
    s.begin();
    CHECK(s.fwk(wire_of_other(0)).credential == s.other_fwknop);
    CHECK(is_refused(s.fwk(s.fwk_wire()), Reject::mac));
    // This judge got no keys of theirs.
    s.restart();
    CHECK(is_refused(s.capy(s.capy_wire()), Reject::mac));
    CHECK(is_refused(s.fwk(wire_of_other(1)), Reject::mac));
}

TEST_CASE("keys of old clients are kept by number, and move as there come more") {
    LegacySecrets secrets;
    CHECK(secrets.size() == 0);
    CHECK(secrets.find(0) == nullptr);
    for (std::uint32_t i = 0; i < 100; ++i)
        secrets.add(7 * i).key_size = i;
    for (std::uint32_t i = 0; i < 100; ++i)
        CHECK(secrets.find(7 * i)->key_size == i);
    secrets.remove(7);
    CHECK(secrets.find(7) == nullptr);
    CHECK(secrets.add(8).key_size == 0);
    CHECK(secrets.add(14).key_size == 0);
    CHECK(secrets.size() == 100);
}
