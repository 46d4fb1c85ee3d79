// SPDX-License-Identifier: MIT
#include "client/profile.h"

#include "client/settings.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"
#include "protocol/yaml/document.h"

#include <pwd.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace xk::client {
namespace {

namespace fs = std::filesystem;
using yaml::Scalar;
using yaml::Section;

bool same_host(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

template <std::size_t N>
Result<Bytes<N>> parse_hex(std::string_view text) {
    if (const auto bytes = from_hex<N>(text))
        return *bytes;
    return Error{in_quotes(text) + " is not " + std::to_string(2 * N) + " hexadecimal digits", {}};
}

Result<FactorKind> parse_factor(std::string_view text) {
    for (const auto kind : {FactorKind::none, FactorKind::totp, FactorKind::hmac})
        if (text == name_of(kind))
            return kind;
    return Error{in_quotes(text) + " is not a second factor", "totp, hmac or none"};
}

// Reads one profile, and finds every fault in it.
class Reader {
  public:
    Reader(const std::string& file, Profile& profile) : file_(file), profile_(profile) {}

    Result<void> read() {
        FileRules rules;
        rules.secret = true;
        auto text = read_checked(file_, rules);
        if (!text)
            return text.error();
        auto section = yaml::read(*text, file_, faults_);
        sodium_memzero(text->data(), text->size());
        if (section) {
            read_names(*section);
            read_keys(*section);
            read_factor(*section);
            read_habits(*section);
            section->finish();
        }
        if (!faults_.empty())
            return faults_.error();
        return {};
    }

  private:
    void read_names(Section& s);
    void read_keys(Section& s);
    void read_factor(Section& s);
    void read_habits(Section& s);

    const std::string& file_;
    Profile& profile_;
    yaml::Faults faults_;
};

void Reader::read_names(Section& s) {
    profile_.file = file_;
    profile_.name = fs::path(file_).stem().string();
    if (const auto name = s.scalar("name"))
        profile_.name = name->value;
    for (const Scalar& host : s.scalars("hosts", yaml::EmptyList::fine).value_or(std::vector<Scalar>{}))
        profile_.hosts.push_back(host.value);
    if (const auto server = s.scalar("server"))
        profile_.server = server->value;
    if (const auto port = s.number("knock_port", 1, 65535))
        profile_.port = static_cast<std::uint16_t>(*port);
}

void Reader::read_keys(Section& s) {
    for (const char* key : {"server_id", "credential", "key", "factor"})
        s.require(key);
    const auto server = s.parsed("server_id", parse_hex<wire::kServerIdSize>);
    const auto credential = s.parsed("credential", parse_hex<wire::kCredentialIdSize>);
    const auto key = s.scalar("key");
    if (!server || !credential || !key)
        return;
    profile_.server_id = *server;
    profile_.credential = *credential;
    Secret<Key> raw;
    if (from_base64(key->value, *raw))
        derive(*profile_.keys, *raw, *server, *credential);
    else
        faults_.add(key->place, "the key is not base64 of 32 bytes");
}

void Reader::read_factor(Section& s) {
    if (const auto factor = s.parsed("factor", parse_factor))
        profile_.factor = *factor;
    if (const auto digits = s.number("digits", 6, 8)) {
        profile_.digits = static_cast<unsigned>(*digits);
        if (!is_totp_digits(profile_.digits))
            faults_.add(s.place(), "a code has 6 or 8 digits");
    }
    const auto hmac = s.scalar("hmac_key");
    const auto totp = s.scalar("otp_secret");
    if (s.scalars("otp_command"))
        faults_.add(s.place_of_key("otp_command"), "a profile runs no program: it may be from somebody else",
                    std::string("otp_command stands in ~/.config/xknock/") + kSettingsName);
    if (profile_.factor == FactorKind::hmac) {
        s.require("hmac_key");
        profile_.factor_key->size = 32;
        if (hmac && !from_base64(hmac->value, std::span(profile_.factor_key->bytes).first<32>()))
            faults_.add(hmac->place, "hmac_key is not base64 of 32 bytes");
    } else if (hmac) {
        faults_.add(hmac->place, "hmac_key is for factor hmac only");
    }
    if (totp) {
        const std::size_t size = from_base32(totp->value, profile_.factor_key->bytes);
        profile_.factor_key->size = static_cast<std::uint32_t>(size);
        if (profile_.factor != FactorKind::totp)
            faults_.add(totp->place, "otp_secret is for factor totp only");
        else if (size < kMinTotpSecret)
            faults_.add(totp->place, "otp_secret is not base32 of 20 to 64 bytes");
    }
}

// One port of the server itself says whether it is open: not a range, of which any may be silent, nor one of a host
// that is behind it.
Result<std::optional<Endpoint>> parse_port(std::string_view text) {
    if (text.find('@') != text.npos) {
        auto wish = parse_service_wish(text);
        return wish ? Result<std::optional<Endpoint>>(std::nullopt) : wish.error();
    }
    auto ports = PortRange::parse(text);
    if (!ports)
        return ports.error();
    return ports->is_single() ? std::optional(ports->begin()) : std::nullopt;
}

void Reader::read_habits(Section& s) {
    if (const auto service = s.scalar("service"))
        profile_.service = service->value;
    for (const auto& entry : s.entries("services").value_or(std::vector<Section::Entry>{}))
        for (const Scalar& value : entry.values)
            if (const auto endpoint = s.parse_at(value, parse_port))
                if (auto& known = profile_.services[entry.name.value]; *endpoint)
                    known.push_back(**endpoint);
    profile_.gateway = s.boolean("gateway").value_or(false);
    if (profile_.gateway && profile_.server.empty())
        s.faults().add(s.place(), "\"gateway\" needs \"server\", the address of the gateway");
    if (const auto lifetime = s.parsed("lifetime", parse_duration))
        profile_.lifetime = static_cast<std::uint32_t>(lifetime->count());
    if (const auto nat = s.boolean("nat"))
        profile_.nat = *nat;
    if (const auto probe = s.number("probe_ms", 0, 10'000))
        profile_.probe = std::chrono::milliseconds(*probe);
    if (const auto wait = s.scalar("wait"))
        if (const auto time = s.parse_at(*wait, parse_duration)) {
            profile_.wait = *time;
            if (time->count() == 0)
                s.faults().add(wait->place, "a wait of no time does not knock", "write 1s or more");
        }
}

// Name and hosts of a file, without judging the rest of it.
bool is_for_host(const std::string& file, const std::string& host) {
    if (same_host(fs::path(file).stem().string(), host))
        return true;
    FileRules rules;
    rules.secret = true;
    auto text = read_checked(file, rules);
    if (!text)
        return false;
    yaml::Faults ignored;
    auto section = yaml::read(*text, file, ignored);
    sodium_memzero(text->data(), text->size());
    if (!section)
        return false;
    const auto name = section->scalar("name");
    if (name && same_host(name->value, host))
        return true;
    const auto hosts = section->scalars("hosts", yaml::EmptyList::fine).value_or(std::vector<Scalar>{});
    return std::any_of(hosts.begin(), hosts.end(), [&](const Scalar& h) { return same_host(h.value, host); });
}

} // namespace

bool Profile::is_called(std::string_view alias) const { return same_host(name, alias); }

bool Profile::has_host(std::string_view host) const {
    return std::any_of(hosts.begin(), hosts.end(), [&](const auto& h) { return same_host(h, host); });
}

Result<std::string> profile_directory() {
    const char* const xdg = std::getenv("XDG_CONFIG_HOME");
    if (xdg != nullptr && xdg[0] == '/')
        return std::string(xdg) + "/xknock";
    const char* home = std::getenv("HOME");
    if (home == nullptr || home[0] != '/')
        if (const passwd* entry = ::getpwuid(::getuid()))
            home = entry->pw_dir;
    if (home == nullptr || home[0] != '/')
        return Error{"there is no home directory to look for profiles in", "use --profiles DIR", Exit::configuration};
    return std::string(home) + "/.config/xknock";
}

Result<Profile> load_profile(const std::string& file) {
    Profile profile;
    if (auto read = Reader(file, profile).read(); !read) {
        Error error = std::move(read).error();
        error.exit = Exit::configuration;
        return error;
    }
    return profile;
}

Result<Profile> find_profile(const std::string& directory, const std::string& host) {
    std::vector<std::string> found;
    std::error_code code;
    bool unreadable = false;
    for (fs::directory_iterator i(directory, code), end; !code && i != end; i.increment(code)) {
        if (i->path().extension() != ".yaml" || i->path().filename() == kSettingsName)
            continue;
        const std::string file = i->path().string();
        if (is_for_host(file, host))
            found.push_back(file);
        else if (!read_checked(file, FileRules{true, {}, {}, 256 * 1024}))
            unreadable = true;
    }
    std::sort(found.begin(), found.end());
    if (found.size() == 1)
        return load_profile(found[0]);
    if (found.empty())
        return Error{"no profile in " + in_quotes(directory) + " is for host " + in_quotes(host),
                     unreadable ? "some profiles there are not mode 0600 and were not looked at"
                                : "put the profile that \"knockctl keygen\" wrote there, and the host into its hosts",
                     Exit::configuration};
    return Error{"profiles " + in_quotes(found[0]) + " and " + in_quotes(found[1]) + " are both for host " +
                     in_quotes(host),
                 {},
                 Exit::configuration};
}

} // namespace xk::client
