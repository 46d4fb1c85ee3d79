// SPDX-License-Identifier: MIT
#include "protocol/profile/profile_file.h"

#include "protocol/base/duration.h"
#include "protocol/encoding.h"
#include "protocol/yaml/schema.h"

namespace xk {
namespace {

using yaml::Form;
using yaml::Style;

template <std::size_t N>
Result<Bytes<N>> parse_hex(std::string_view text) {
    if (const auto bytes = from_hex<N>(text))
        return *bytes;
    return Error{in_quotes(text) + " is not " + std::to_string(2 * N) + " hexadecimal digits", {}};
}
template <std::size_t N>
std::string hex_text(const Bytes<N>& bytes) {
    return to_hex(bytes);
}
template <std::size_t N>
constexpr Form kHex{parse_hex<N>, hex_text<N>, Style::text};
// clang 14 does not instantiate a function whose address only a template's constant has.
template Result<Bytes<8>> parse_hex<8>(std::string_view);
template Result<Bytes<16>> parse_hex<16>(std::string_view);
template std::string hex_text<8>(const Bytes<8>&);
template std::string hex_text<16>(const Bytes<16>&);

// Errors of secrets do not repeat them.
Result<Secret<Key>> parse_key(std::string_view text) {
    Secret<Key> key;
    if (!from_base64(text, *key))
        return Error{"the key is not base64 of 32 bytes", {}};
    return key;
}

Result<Secret<FactorKey>> parse_hmac_key(std::string_view text) {
    Secret<FactorKey> key;
    if (!from_base64(text, std::span(key->bytes).first<32>()))
        return Error{"hmac_key is not base64 of 32 bytes", {}};
    key->size = 32;
    return key;
}

Result<Secret<FactorKey>> parse_otp_secret(std::string_view text) {
    Secret<FactorKey> secret;
    secret->size = static_cast<std::uint32_t>(from_base32(text, secret->bytes));
    if (secret->size < kMinTotpSecret)
        return Error{"otp_secret is not base32 of 20 to 64 bytes", {}};
    return secret;
}

ByteView bytes_of(const Secret<FactorKey>& key) { return std::span(key->bytes).first(key->size); }

constexpr Form kKey{parse_key, [](const Secret<Key>& key) { return to_base64(*key); }, Style::text};
constexpr Form kHmacKey{parse_hmac_key, [](const Secret<FactorKey>& key) { return to_base64(bytes_of(key)); },
                        Style::text};
constexpr Form kOtpSecret{parse_otp_secret, [](const Secret<FactorKey>& key) { return to_base32(bytes_of(key)); },
                          Style::text};
constexpr Form kFactor{parse_factor_kind, [](FactorKind kind) { return std::string(name_of(kind)); }, Style::bare};
constexpr Form kDuration{parse_duration, duration_text, Style::bare};

Result<std::chrono::seconds> parse_wait(std::string_view text) {
    auto wait = parse_duration(text);
    if (wait && wait->count() == 0)
        return Error{"a wait of no time does not knock", "write 1s or more"};
    return wait;
}
constexpr Form kWait{parse_wait, duration_text, Style::bare};

constexpr Form kNat{[](std::string_view text) -> Result<NatPolicy> {
                        if (text == "auto")
                            return NatPolicy::automatic;
                        if (text == "always" || text == "never")
                            return text == "always" ? NatPolicy::always : NatPolicy::never;
                        return Error{in_quotes(text) + " says nothing of NAT", "write auto, always or never"};
                    },
                    [](NatPolicy nat) -> std::string {
                        return nat == NatPolicy::automatic ? "auto" : nat == NatPolicy::always ? "always" : "never";
                    },
                    Style::bare};
constexpr Form kMode{
    [](std::string_view text) -> Result<ClientMode> {
        if (text == "packet" || text == "handshake")
            return text == "packet" ? ClientMode::packet : ClientMode::handshake;
        return Error{in_quotes(text) + " is no way to knock that a profile can have", "write packet or handshake"};
    },
    [](ClientMode mode) { return std::string(name_of(mode)); }, Style::bare};
constexpr Form kFamily{[](std::string_view text) -> Result<Family> {
                           if (text == "any")
                               return Family::any;
                           if (text == "ipv4" || text == "ipv6")
                               return text == "ipv4" ? Family::ipv4 : Family::ipv6;
                           return Error{in_quotes(text) + " is no family of addresses", "write any, ipv4 or ipv6"};
                       },
                       [](Family family) -> std::string {
                           return family == Family::any ? "any" : family == Family::ipv4 ? "ipv4" : "ipv6";
                       },
                       Style::bare};

constexpr std::uint64_t kMostProbe = 10'000; // milliseconds
constexpr Form kProbe{[](std::string_view text) -> Result<std::chrono::milliseconds> {
                          auto number = yaml::parse_number(text, 0, kMostProbe);
                          return number ? Result(std::chrono::milliseconds(*number)) : number.error();
                      },
                      [](std::chrono::milliseconds time) { return std::to_string(time.count()); }, Style::bare};

constexpr Form kPort{[](std::string_view text) -> Result<std::string> {
                         auto port = parse_service_port(text);
                         return port ? Result(std::string(text)) : port.error();
                     },
                     [](const std::string& text) { return text; }, Style::text};
constexpr Form kService{[](std::string_view text) { return Result<std::string>(std::string(text)); },
                        [](const std::string& text) { return text; }, Style::name};

template <typename Fields>
void describe_factor(Fields& fields) {
    const ProfileFile& profile = fields.object();
    fields.required("factor", &ProfileFile::factor, kFactor);
    fields.optional("digits", &ProfileFile::digits, yaml::number_form<unsigned>(6, 8));
    fields.check(is_totp_digits(profile.digits.value_or(6)), nullptr, "a code has 6 or 8 digits");
    fields.optional("otp_secret", &ProfileFile::otp_secret, kOtpSecret);
    const bool hmac = profile.factor == FactorKind::hmac;
    fields.required_if(hmac, "hmac_key", &ProfileFile::hmac_key, kHmacKey);
    fields.check_value(hmac || !profile.hmac_key, "hmac_key", "hmac_key is for factor hmac only");
    fields.check_value(has_codes(profile.factor) || !profile.otp_secret, "otp_secret",
                       "otp_secret is for factors totp and hotp only");
    fields.forbidden("otp_command", "a profile runs no program: it may be from somebody else",
                     "otp_command stands in ~/.config/xknock/config.yaml");
}

template <typename Fields>
void describe(Fields& fields) {
    fields.optional("name", &ProfileFile::name, yaml::kAnyText);
    fields.always_list("hosts", &ProfileFile::hosts, yaml::kAnyText);
    fields.optional("server", &ProfileFile::server, yaml::kAnyText);
    fields.always("knock_port", &ProfileFile::knock_port, yaml::number_form<std::uint16_t>(1, 65535));
    fields.required("server_id", &ProfileFile::server_id, kHex<wire::kServerIdSize>);
    fields.required("credential", &ProfileFile::credential, kHex<wire::kCredentialIdSize>);
    fields.required("key", &ProfileFile::key, kKey);
    describe_factor(fields);
    fields.optional("service", &ProfileFile::service, kService);
    fields.lists("services", &ProfileFile::services, kPort);
    fields.optional("gateway", &ProfileFile::gateway, yaml::kTruth);
    fields.check(!fields.object().gateway || !fields.object().server.empty(), nullptr,
                 "\"gateway\" needs \"server\", the address of the gateway");
    fields.optional("mode", &ProfileFile::mode, kMode);
    fields.optional("lifetime", &ProfileFile::lifetime, kDuration);
    fields.optional("nat", &ProfileFile::nat, kNat);
    fields.optional("family", &ProfileFile::family, kFamily);
    fields.optional("stun", &ProfileFile::stun, yaml::kAnyText);
    fields.optional("probe_ms", &ProfileFile::probe, kProbe);
    fields.optional("wait", &ProfileFile::wait, kWait);
    fields.optional("sequence_ports", &ProfileFile::sequence_ports,
                    yaml::number_form<std::size_t>(sequence::kFewestStrongPorts, sequence::kMostPorts));
}

} // namespace

std::string_view name_of(ClientMode mode) { return mode == ClientMode::packet ? "packet" : "handshake"; }

ProfileFile read_profile_file(yaml::Section& section) {
    ProfileFile profile;
    yaml::FieldReader<ProfileFile> fields(section, profile);
    describe(fields);
    section.finish();
    return profile;
}

Result<std::string> profile_file_text(const ProfileFile& profile, std::string_view head) {
    return yaml::write_fields(
        profile, [](auto& fields) { describe(fields); }, head);
}

Result<std::optional<Endpoint>> parse_service_port(std::string_view text) {
    if (text.find('@') != text.npos) {
        auto wish = parse_service_spec(text);
        return wish ? Result<std::optional<Endpoint>>(std::nullopt) : wish.error();
    }
    auto ports = PortRange::parse(text);
    if (!ports)
        return ports.error();
    return ports->is_single() ? std::optional(ports->begin()) : std::nullopt;
}

} // namespace xk
