// SPDX-License-Identifier: MIT
#include "fixtures.h"

#include "daemon/authz/rights.h"

#include <ctime>
#include <map>
#include <numeric>

namespace xk::fuzz {
namespace {

using namespace authz;
using namespace std::chrono_literals;

constexpr Bytes<16> kBoot = {0xb0, 0x07};

Service service(const char* name, std::initializer_list<Endpoint> endpoints) {
    Service s;
    s.name = Name(name);
    s.id = service_id(name);
    for (const Endpoint& endpoint : endpoints)
        s.ports[s.port_count++] = PortRange::of(endpoint);
    return s;
}

std::uint64_t counted(const StateHeader& h) {
    return std::accumulate(h.rejects.begin(), h.rejects.end(), std::uint64_t{0}) +
           std::accumulate(h.accepted.begin(), h.accepted.end(), std::uint64_t{0}) + h.retries;
}

// The minute of kStart and the one after it, in whatever time zone this runs.
Hours hours_around_start() {
    const std::time_t start = std::chrono::system_clock::to_time_t(kStart.wall);
    std::tm local{};
    ::localtime_r(&start, &local);
    const auto minute = static_cast<std::uint16_t>((local.tm_wday * 24 + local.tm_hour) * 60 + local.tm_min);
    return {1, {{minute, static_cast<std::uint16_t>(minute + 2)}}};
}

} // namespace

Policy make_policy() {
    Policy p;
    p.settings.server = kServer;
    p.services = {service("ssh", {{IpProtocol::tcp, 22}}),
                  service("web", {{IpProtocol::tcp, 80}, {IpProtocol::tcp, 443}}),
                  service("vpn", {{IpProtocol::udp, 51820}, {IpProtocol::sctp, 5000}}),
                  service("nas", {{IpProtocol::tcp, 22}}),
                  service("inside", {{IpProtocol::tcp, 80}}),
                  service("games", {{IpProtocol::tcp, 6000}})};
    p.services[3].target4 = Address::v4(198, 51, 100, 9);
    p.services[3].max_lifetime = 20s;
    p.services[4].target4 = Address::v4(198, 51, 100, 9);
    p.services[4].target6 = Address::parse("2001:db8:9::9").value();
    p.services[4].published = {IpProtocol::tcp, 8080};
    p.services[4].single_use = true;
    p.services[5].ports[0].last = 6100;
    const auto add = [&](const char* user, const char* device, FactorKind factor) -> Credential& {
        Credential c;
        c.id = {static_cast<std::uint8_t>(p.credentials.size() + 1), 0xcc};
        c.user = Name(user);
        c.device = Name(device);
        c.factor = factor;
        c.services.set(0);
        c.modes.set(static_cast<std::size_t>(KnockMode::handshake));
        return p.credentials.emplace_back(c);
    };
    add("anna", "laptop", FactorKind::totp);
    auto& ci = add("anna", "ci", FactorKind::hmac);
    for (const std::size_t more : std::initializer_list<std::size_t>{1, 3, 4, 5})
        ci.services.set(more);
    auto& phone = add("bob", "phone", FactorKind::none);
    phone.max_lifetime = 60s;
    phone.networks = {2, {Prefix::parse("192.0.2.0/24").value(), Prefix::parse("2001:db8::/32").value()}};
    add("ops", "jump", FactorKind::none).binding = Binding::explicit_;
    auto& totp8 = add("carl", "pc", FactorKind::totp);
    totp8.totp_digits = 8;
    totp8.binding = Binding::match;
    totp8.services.set(2);
    totp8.hours = hours_around_start();
    add("dora", "lost", FactorKind::none).enabled = false;
    auto& dated = add("emil", "guest", FactorKind::none);
    dated.valid_from = kStart.wall + 20s;
    dated.valid_until = kStart.wall + 60s;
    add("fay", "key", FactorKind::ed25519).hours = hours_around_start();
    return p;
}

CredentialKeys keys_of(std::uint32_t who) {
    static const Policy policy = make_policy();
    CredentialKeys keys;
    derive_keys(keys, Key{static_cast<std::uint8_t>(who + 1)}, kServer, policy.credentials[who].id);
    return keys;
}

Address address_of(std::uint8_t choice) {
    static const std::vector<Address> all = [] {
        std::vector<Address> addresses;
        for (const char* text :
             {"192.0.2.7", "192.0.2.8", "198.51.100.1", "2001:db8::7", "64:ff9b::1", "192.0.2.1", "127.0.0.1",
              "169.254.1.1", "224.0.0.1", "::", "::1", "fe80::1", "ff02::1", "::192.0.2.7"})
            addresses.push_back(Address::parse(text).value());
        return addresses;
    }();
    return all[choice % all.size()];
}

// Whatever the request: a pinhole belongs to a service of that very credential and to the address asked for, and
// no service is opened in part or beyond what was asked.
void GrantTable::check_pinholes(const GrantRequest& request, const Permit& permit) const {
    FUZZ_CHECK(request.credential < policy_.credentials.size());
    FUZZ_CHECK(request.address.is_grantable() && !request.address.is_loopback());
    FUZZ_CHECK(!permit.pinholes.empty());
    const Credential& credential = policy_.credentials[request.credential];
    std::map<std::size_t, std::size_t> pinholes; // how many of each service
    for (const Permit::One& one : permit.pinholes) {
        FUZZ_CHECK(one.service < policy_.services.size() && credential.services.test(one.service));
        const Service& given = policy_.services[one.service];
        FUZZ_CHECK(one.pinhole.address == request.address && given.pinhole(one.pinhole) == one.pinhole);
        FUZZ_CHECK(one.pinhole.target ==
                   (given.is_behind() && given.published.port == 0 ? given.target_for(request.address) : Address{}));
        FUZZ_CHECK(request.service != 0 ||
                   given.pinhole({request.address, request.target, request.endpoint}) == one.pinhole);
        FUZZ_CHECK(one.single_use == (given.single_use || request.single_use) &&
                   (!one.single_use || given.can_be_single_use()));
        ++pinholes[one.service];
    }
    FUZZ_CHECK(request.service != 0 || permit.pinholes.size() == 1);
    FUZZ_CHECK(pinholes.size() == 1 || request.service == service_id(kAllServices));
    for (const auto& [service, number] : pinholes)
        FUZZ_CHECK(request.service == 0 || number == policy_.services[service].pinholes(request.address).size());
}

void GrantTable::check_book() const {
    FUZZ_CHECK(book_.pinholes() <= kMaxPinholes);
    for (const Credential& credential : policy_.credentials)
        FUZZ_CHECK(book_.pinholes_of(credential.id) <= kMaxPinholesOfCredential);
    for (const auto& [pinhole, holders] : book_.all()) {
        FUZZ_CHECK(!holders.empty() && holders.size() <= kMaxHolders);
        FUZZ_CHECK(!own_.contains(pinhole.address) && pinhole.address.is_grantable());
        for (std::size_t i = 0; i < holders.size(); ++i) {
            FUZZ_CHECK(policy_.find_credential(holders[i].credential));
            FUZZ_CHECK(i == 0 || holders[i - 1].until >= holders[i].until);
            for (std::size_t j = 0; j < i; ++j)
                FUZZ_CHECK(holders[i].credential != holders[j].credential);
        }
    }
    // Nobody holds what the policy does not give.
    FUZZ_CHECK(book_
                   .plan_keep([&](const Pinhole& pinhole, const Holder& holder) {
                       return is_entitled(policy_, holder.credential, pinhole) ? EndCause::none
                                                                               : EndCause::configuration;
                   })
                   .empty());
}

Answer GrantTable::open_grant(const GrantRequest& request, const Now& now) {
    book_.expire(now.boot);
    const Permit permit = permit_open(request, {policy_, book_, bans, own_, kMaxPinholes}, now);
    if (permit.answer != Answer::done)
        return permit.answer;
    check_pinholes(request, permit);
    const Credential& credential = policy_.credentials[request.credential];
    FUZZ_CHECK(credential.enabled && now.wall >= credential.valid_from && now.wall < credential.valid_until);
    FUZZ_CHECK(!own_.contains(request.address) && !bans.is_banned(request.address, now.boot));
    FUZZ_CHECK(may_open_for(credential, request.address) && credential.hours.has(now.wall));
    std::vector<PinholeChange> changes;
    for (const Permit::One& one : permit.pinholes) {
        const Service& service = policy_.services[one.service];
        FUZZ_CHECK(one.lifetime > 0s &&
                   one.lifetime ==
                       until_its_end(grant_lifetime(credential, service, request.lifetime), credential, now.wall));
        FUZZ_CHECK(credential.max_lifetime == 0s || one.lifetime <= credential.max_lifetime);
        FUZZ_CHECK(service.max_lifetime == 0s || one.lifetime <= service.max_lifetime);
        FUZZ_CHECK(request.lifetime == 0 || one.lifetime <= std::chrono::seconds(request.lifetime));
        changes.push_back(book_.plan_open(one.pinhole, {credential.id, now.boot + one.lifetime, one.single_use}));
        FUZZ_CHECK(changes.back().until() >= now.boot + one.lifetime);
    }
    book_.enter_changes(changes);
    check_book();
    return Answer::done;
}

Answer GrantTable::close_grant(const GrantRequest& request, const Now& now) {
    book_.expire(now.boot);
    const Permit permit = permit_close(request, policy_);
    if (permit.answer != Answer::done)
        return permit.answer;
    check_pinholes(request, permit);
    const wire::CredentialId& id = policy_.credentials[request.credential].id;
    const std::size_t before = book_.pinholes_of(id);
    for (const Pinhole& pinhole : permit.plain())
        book_.enter_changes(book_.plan_close(pinhole, id));
    FUZZ_CHECK(book_.pinholes_of(id) <= before);
    check_book();
    return Answer::done;
}

Answer GrantTable::close_all(std::uint32_t credential, const Now& now) {
    book_.expire(now.boot);
    if (credential >= policy_.credentials.size())
        return Answer::refused;
    const wire::CredentialId& id = policy_.credentials[credential].id;
    std::size_t others = 0;
    for (const Credential& c : policy_.credentials)
        others += c.id == id ? 0 : book_.pinholes_of(c.id);
    book_.enter_changes(book_.plan_close_all(id));
    FUZZ_CHECK(book_.pinholes_of(id) == 0);
    for (const Credential& c : policy_.credentials)
        others -= book_.pinholes_of(c.id);
    FUZZ_CHECK(others == 0); // everybody else keeps everything
    check_book();
    return Answer::done;
}

Answer RecordingFirewall::open_grant(const GrantRequest& request) {
    asked.push_back({Action::open, request});
    return failing ? *failing : keeper_.open_grant(request, now_);
}

Answer RecordingFirewall::close_grant(const GrantRequest& request) {
    asked.push_back({Action::close, request});
    return failing ? *failing : keeper_.close_grant(request, now_);
}

Answer RecordingFirewall::close_all(std::uint32_t credential) {
    GrantRequest request;
    request.credential = credential;
    asked.push_back({Action::close_all, request});
    return failing ? *failing : keeper_.close_all(credential, now_);
}

Fixtures::Fixtures(StateMemory& memory)
    : policy(make_policy()), now(kStart), state(memory.bytes()), keeper(policy), firewall(keeper, now) {
    // The boot was long enough ago for the horizon to lie behind.
    Now boot = kStart;
    boot.wall -= 1h;
    boot.boot -= 1h;
    state.begin_boot(kBoot, boot, policy.settings.skew, {});
    restart();
}

void Fixtures::restart() {
    Secret<CredentialKeys> keys(kCredentials);
    Secret<FactorSecret> factors(kCredentials);
    for (std::uint32_t who = 0; who < kCredentials; ++who) {
        static const std::vector<CredentialKeys> derived = [] {
            std::vector<CredentialKeys> all;
            for (std::uint32_t i = 0; i < kCredentials; ++i)
                all.push_back(keys_of(i));
            return all;
        }();
        keys[who] = derived[who];
        if (has_codes(policy.credentials[who].factor)) {
            factors[who].size = kTotpSecret.size();
            std::copy(kTotpSecret.begin(), kTotpSecret.end(), factors[who].bytes);
        } else if (policy.credentials[who].factor == FactorKind::hmac) {
            factors[who].size = kHmacKey.size();
            std::copy(kHmacKey.begin(), kHmacKey.end(), factors[who].bytes);
        }
    }
    judge_ = std::make_unique<Judge>(policy, std::move(keys), std::move(factors), state, keeper.bans, now);
    judge_->follow_clock(now);
}

void Fixtures::pass(std::chrono::microseconds time) {
    now.wall += time;
    now.boot += time;
    judge_->follow_clock(now);
}

void Fixtures::set_wall(WallTime wall) {
    now.wall = wall;
    judge_->follow_clock(now);
}

Outcome Fixtures::judge(const Record& record) {
    const StateHeader before = state.header();
    const Outcome outcome = judge_->judge_record(record, now, firewall);
    const StateHeader& after = state.header();
    FUZZ_CHECK(counted(after) == counted(before) + 1);
    if (const Refused* refused = outcome.refused()) {
        const auto at = static_cast<std::size_t>(refused->reason);
        FUZZ_CHECK(at < kRejects && name_of(refused->reason) != "?");
        FUZZ_CHECK(after.rejects[at] == before.rejects[at] + 1);
    } else if (!outcome.accepted()->retry) {
        const auto at = static_cast<std::size_t>(outcome.accepted()->action);
        FUZZ_CHECK(after.accepted[at] == before.accepted[at] + 1);
    }
    FUZZ_CHECK(after.attempts == 0 && all_zero(after.attempt));
    FUZZ_CHECK(after.horizon == before.horizon && after.high_slot >= before.high_slot);
    FUZZ_CHECK(outcome.source == record.source);
    return outcome;
}

std::variant<HelloAnswer, Outcome> Fixtures::judge_hello(const Record& record) {
    const StateHeader before = state.header();
    auto result = judge_->judge_hello(record, now);
    const StateHeader& after = state.header();
    if (const auto* outcome = std::get_if<Outcome>(&result)) {
        const auto at = static_cast<std::size_t>(outcome->refused()->reason);
        FUZZ_CHECK(counted(after) == counted(before) + 1 && after.rejects[at] == before.rejects[at] + 1);
    } else {
        FUZZ_CHECK(counted(after) == counted(before));
    }
    FUZZ_CHECK(after.attempts == 0 && all_zero(after.attempt) && after.high_slot == before.high_slot);
    return result;
}

} // namespace xk::fuzz
