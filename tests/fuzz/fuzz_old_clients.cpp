// SPDX-License-Identifier: MIT
//
// Packets of old clients before a real judge. The input is what an own client of each kind would not send: other fields
// under the right key, and a packet with bytes changed, put in or left out. What opens was asked for by its device and
// in time, and once; a packet that was changed opens nothing, before the right one and after it.
#include "fixtures.h"
#include "protocol/encoding.h"
#include "tests/unit/legacy/old_clients.h"

#include <string>

using namespace xk;
using namespace xk::fuzz;
using namespace xk::authz;
using namespace std::chrono_literals;
using legacy::test::CapyknockKey;
using legacy::test::FwknopUser;

namespace {

constexpr std::size_t kMaxEdits = 3, kMaxKnocks = 6;
constexpr const char* kCarla = "carla";
enum OldWho : std::uint32_t { kCapyknock, kFwknop, kOldClients };

CapyknockKey capyknock_key() {
    CapyknockKey key;
    key.fill(0x11);
    return key;
}

Policy old_policy() {
    Policy p;
    p.settings.server = kServer;
    const Policy house = make_policy();
    p.services = {house.services[0], house.services[1]}; // ssh and web
    for (const auto kind : {DeviceKind::capyknock, DeviceKind::fwknop}) {
        Credential c;
        c.id = {static_cast<std::uint8_t>(p.credentials.size() + 1), 0xcc};
        c.user = Name("carla");
        c.device = Name(kind == DeviceKind::capyknock ? "capyknock" : "fwknop");
        c.factor = kind == DeviceKind::capyknock ? FactorKind::totp : FactorKind::none;
        c.services.set(0);
        c.modes.reset();
        c.modes.set(static_cast<std::size_t>(kind == DeviceKind::capyknock ? KnockMode::capyknock : KnockMode::fwknop));
        c.legacy.kind = kind;
        if (kind == DeviceKind::capyknock) {
            std::ranges::copy(std::string_view(kCarla), c.legacy.name);
            c.legacy.target = own_address();
            c.legacy.port = 22;
        }
        p.credentials.push_back(c);
    }
    return p;
}

struct OldHouse {
    explicit OldHouse(StateMemory& memory) : state(memory.bytes()) {
        Now boot = kStart;
        boot.wall -= 1h;
        boot.boot -= 1h;
        state.begin_boot({0xb0, 0x07}, boot, policy.settings.skew, {});
        judge = std::make_unique<Judge>(Policy{}, Secret<CredentialKeys>(0), Secret<FactorSecret>(0), state,
                                        keeper.bans, now);
        PolicyChange change;
        change.places = kOldClients;
        change.settings = policy.settings;
        change.services = policy.services;
        std::vector<CredentialKeys> keys(kOldClients);
        std::vector<FactorSecret> factors(kOldClients);
        LegacySecrets secrets;
        for (std::uint32_t who = 0; who < kOldClients; ++who)
            change.changed.push_back({who, policy.credentials[who]});
        factors[kCapyknock].size = kTotpSecret.size();
        std::ranges::copy(kTotpSecret, factors[kCapyknock].bytes);
        put(secrets.add(kCapyknock), capyknock_key(), {});
        put(secrets.add(kFwknop), user.key, user.hmac_key);
        judge->change_policy(std::move(change), keys, factors, now, secrets);
        judge->follow_clock(now);
    }

    static void put(LegacySecret& secret, ByteView key, ByteView hmac_key) {
        secret.key_size = static_cast<std::uint32_t>(key.size());
        std::ranges::copy(key, secret.key);
        secret.hmac_key_size = static_cast<std::uint32_t>(hmac_key.size());
        std::ranges::copy(hmac_key, secret.hmac_key);
    }

    // Whether something was done for this packet.
    bool opens(std::uint32_t who, const std::string& wire, const Address& source) {
        if (wire.size() > RecordBytes::kMost)
            return false; // the filter reports none of that size
        Record record;
        record.kind = who == kCapyknock ? RecordKind::capyknock : RecordKind::fwknop;
        record.source = source;
        record.destination = own_address();
        record.source_port = 40000;
        record.arrived = now.boot;
        record.bytes.assign({reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()});
        firewall.asked.clear();
        const Outcome outcome = judge->judge_record(record, now, firewall);
        FUZZ_CHECK((outcome.accepted() != nullptr) == (firewall.asked.size() == 1)); // nothing here refuses or retries
        if (firewall.asked.empty())
            return false;
        FUZZ_CHECK(outcome.credential == who);
        const GrantRequest& asked = firewall.asked[0].request;
        FUZZ_CHECK(firewall.asked[0].action == Action::open && asked.credential == who);
        FUZZ_CHECK(asked.address == source && asked.target == Address{} && !asked.single_use);
        FUZZ_CHECK(asked.service == service_id("ssh") || asked.endpoint == (Endpoint{IpProtocol::tcp, 22}));
        return true;
    }
    std::int64_t unix_now() const {
        return std::chrono::floor<std::chrono::seconds>(now.wall).time_since_epoch().count();
    }

    Policy policy = old_policy();
    Now now = kStart;
    FwknopUser user;
    State state;
    GrantTable keeper{policy};
    RecordingFirewall firewall{keeper, now};
    std::unique_ptr<Judge> judge;
};

std::string base64_of(std::string_view text) {
    return legacy::test::unpadded_base64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

// What a client could have written, if it liked; each part is right where its byte is 0.
struct Fields {
    std::int64_t ahead; // s, of the client's clock
    int steps;          // of the code
    std::uint8_t port, address, form;

    explicit Fields(Input& in)
        : ahead(static_cast<std::int8_t>(in.number())), steps(static_cast<std::int8_t>(in.number()) % 4),
          port(in.number()), address(in.number()), form(in.number()) {}
    bool are_right() const {
        return ahead == 0 && steps == 0 && port == 0 && address % 8 == 0 && (form == 0 || form == 0xff);
    }
    std::string port_text() const {
        constexpr const char* kPorts[] = {"22", "80", "0", "65536", "022", "-22", "22 ", "2 2"};
        return kPorts[port % std::size(kPorts)];
    }
    std::string address_text(const char* none) const { return address % 8 == 0 ? none : address_of(address).text(); }
};

std::string capyknock_wire(const OldHouse& house, const Fields& fields, std::string_view raw) {
    const TotpStep step = totp_step(house.now.wall) + static_cast<TotpStep>(fields.steps);
    const std::string plain = R"({"otpcode": ")" + totp_code(kTotpSecret, step, 6) + R"(", "trgsrvip": ")" +
                              (fields.form == 1 ? address_of(fields.address) : own_address()).text() +
                              R"(", "trgsrvport": ")" + fields.port_text() + R"(", "myip": ")" +
                              fields.address_text("") + R"(", "hash": ""})";
    return legacy::test::capyknock_wire(
        kCarla, legacy::test::fernet_token(fields.form == 2 ? raw : plain, capyknock_key(),
                                           static_cast<std::uint64_t>(house.unix_now() + fields.ahead)));
}

std::string fwknop_wire(const OldHouse& house, const Fields& fields, std::string_view raw) {
    const std::string message = fields.address_text("0.0.0.0") + ",tcp/" + fields.port_text();
    const char* const type = fields.form == 1 ? "3" : fields.form == 3 ? "0" : "1";
    std::string text = "1082939794423384:cm9vdA:" + std::to_string(house.unix_now() + fields.ahead) + ":3.0.0:" + type +
                       ":" + base64_of(message) + (fields.form == 1 ? ":90" : "");
    if (fields.form == 2)
        text = raw;
    return legacy::test::fwknop_wire(text, house.user);
}

std::string edited(Input& in, std::string wire) {
    for (std::size_t edits = 1 + in.number() % kMaxEdits; edits > 0; --edits) {
        const std::uint8_t how = in.number();
        const std::size_t at = in.number<std::uint16_t>() % (wire.size() + 1);
        const auto byte = static_cast<char>(in.number());
        if (how % 3 == 0 && at < wire.size())
            wire[at] = static_cast<char>(wire[at] ^ byte);
        else if (how % 3 == 1)
            wire.insert(at, 1, byte);
        else if (at < wire.size())
            wire.erase(at, how / 3 + 1u);
    }
    return wire;
}

// Whether these packets of capyknock are one: JSON may have more blanks and members.
bool are_one(std::uint32_t who, const std::string& a, const std::string& b) {
    const auto read = [](const std::string& wire) {
        return legacy::read_capyknock_envelope({reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()});
    };
    const auto first = read(a), second = read(b);
    const auto* one = std::get_if<legacy::CapyknockEnvelope>(&first);
    return a == b || (who == kCapyknock && one != nullptr && first == second);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static StateMemory memory;
    begin_fixed_randomness();
    memory.clear();
    OldHouse house(memory);

    Input in(data, size);
    for (std::size_t count = 0; !in.empty() && count < kMaxKnocks; ++count) {
        const std::uint32_t who = in.number() % kOldClients;
        const Fields fields(in);
        const Address source = Address::parse("203.0.113.9").value();
        const std::string_view raw = fields.form == 2 ? text_of(in.take(in.number())) : std::string_view();
        const std::string wire =
            who == kCapyknock ? capyknock_wire(house, fields, raw) : fwknop_wire(house, fields, raw);
        const std::string changed = edited(in, wire);
        const bool is_other = !are_one(who, wire, changed);

        FUZZ_CHECK(!is_other || !house.opens(who, changed, source));
        const bool is_open = house.opens(who, wire, source);
        FUZZ_CHECK(is_open || !fields.are_right());
        const bool is_in_time = std::abs(fields.ahead) <= (who == kCapyknock ? 61 : 120);
        const bool is_code_near = who == kFwknop || std::abs(fields.steps) <= 1;
        FUZZ_CHECK(!is_open || fields.form == 2 || (is_in_time && is_code_near));
        FUZZ_CHECK(!house.opens(who, wire, source) && !house.opens(who, changed, source));
        FUZZ_CHECK(!house.opens(who, wire, Address::parse("203.0.113.10").value()));
        house.now.wall += 90s; // the next code, and the next time of fwknop's packet
        house.now.boot += 90s;
        house.judge->follow_clock(house.now);
    }
    return 0;
}
