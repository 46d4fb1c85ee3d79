// SPDX-License-Identifier: MIT
#include "tools/knockctl/keygen.h"

#include "daemon/authz/state.h"
#include "daemon/config/config.h"
#include "daemon/config/machines.h"
#include "protocol/base/directory.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"

#include <qrencode.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace xk::tools {
namespace {

namespace fs = std::filesystem;

// Files that were written so far; they go again unless keep() is called.
class Files {
  public:
    ~Files() {
        for (const std::string& path : written_)
            (void)remove_file(path, false);
    }
    Result<void> write(const std::string& path, const std::string& content, mode_t mode,
                       std::optional<gid_t> group = {}, std::optional<uid_t> owner = {}) {
        auto done = write_file(path, content, mode, false, group, true, owner);
        if (done)
            written_.push_back(path);
        return done;
    }
    std::vector<std::string> keep() { return std::exchange(written_, {}); }

  private:
    std::vector<std::string> written_;
};

std::string random_base64() {
    Bytes<32> key;
    const Wiped wiped(key);
    randombytes_buf(key.data(), key.size());
    return to_base64(key);
}

std::string random_base32() {
    Bytes<kMinTotpSecret> secret;
    const Wiped wiped(secret);
    randombytes_buf(secret.data(), secret.size());
    return to_base32(secret);
}

template <std::size_t N>
std::string random_hex() {
    Bytes<N> id;
    randombytes_buf(id.data(), id.size());
    return to_hex(id);
}

std::string percent_encoded(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
            continue;
        }
        char hex[4];
        std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned char>(c));
        out += hex;
    }
    return out;
}

std::string yaml_list(const std::vector<std::string>& items) {
    std::string out = "[";
    for (const std::string& item : items)
        out += (out.size() > 1 ? ", " : "") + ("\"" + item + "\"");
    return out + "]";
}

// A new identity: no packet was ever accepted under it, so judgement may begin without the wait that an unknown past
// demands. A clean and empty copy of the state says so.
Result<void> make_identity(Files& files, const std::string& directory, const config::Config& config) {
    if (auto done = files.write(directory + "/server_id", random_hex<wire::kServerIdSize>() + "\n", 0644); !done)
        return done;
    auto id = config::read_server_id(directory);
    if (!id)
        return id.error();
    if (auto named = config::name_carrier(directory, *id, true); !named)
        return named.error();
    const std::string copy = config.state_directory + "/state";
    if (::access(copy.c_str(), F_OK) == 0)
        return {};
    const config::Account& account = config.account;
    if (auto done = make_directory(config.state_directory, 0700, account.uid, account.gid); !done)
        return done;
    const auto image = std::make_unique<authz::StateImage>();
    return files.write(copy, authz::save_state(*image, {}, Now::read(), true), 0600, account.gid, account.uid);
}

const config::Config::NamedUser* find_user(const config::Config& config, const std::string& name) {
    const auto found = std::ranges::find(config.users, name, &config::Config::NamedUser::name);
    return found == config.users.end() ? nullptr : &*found;
}

// The services that the credential may open, as its profile is to know them.
std::string services_block(const config::Config& config, const std::vector<std::string>& names) {
    std::string block = "services:\n";
    for (const authz::Service& service : config.policy.services) {
        const std::string name(service.name.view());
        if (std::find(names.begin(), names.end(), name) == names.end())
            continue;
        std::vector<std::string> ports;
        for (const PortRange& range : service.all_ports()) {
            if (!service.is_behind())
                ports.push_back(range.text());
            else if (service.published.port != 0)
                ports.push_back(service.published.text());
            else
                for (const Address& target : {service.target4, service.target6})
                    if (target != Address{})
                        ports.push_back(range.text() + "@" + target.text());
        }
        block += "  " + name + ": " + yaml_list(ports) + "\n";
    }
    return block;
}

} // namespace

Result<Enrolled> enroll(const KeygenOptions& options) {
    if (!is_name(options.user) || !is_name(options.device))
        return Error{in_quotes(options.user + "/" + options.device) + " is not a user and a device",
                     "1 to 32 letters, digits, \"-\", \"_\" or \".\" each", Exit::usage};
    const auto is_host = [](const std::string& host) {
        return !host.empty() && printable(host) == host && host.find_first_of("\"\\") == host.npos;
    };
    for (const std::string& host : options.hosts)
        if (!is_host(host))
            return Error{in_quotes(host) + " is not a host", {}, Exit::usage};
    if (!options.server.empty() && !is_host(options.server))
        return Error{in_quotes(options.server) + " is not a host", {}, Exit::usage};
    std::string directory = fs::path(options.config_file).parent_path().string();
    if (directory.empty())
        directory = ".";
    Files files;
    Enrolled enrolled;

    // The identity first: a configuration without one cannot be read.
    const bool new_identity = ::access((directory + "/server_id").c_str(), F_OK) != 0;
    auto config =
        config::load_config(options.config_file, new_identity ? config::Identity::absent : config::Identity::required);
    if (!config)
        return config.error();
    if (new_identity) {
        if (auto done = make_identity(files, directory, *config); !done)
            return done.error();
        enrolled.notes.push_back("made this server's identity, " + directory + "/server_id");
    }
    auto server_id = config::read_server_id(directory);
    if (!server_id)
        return server_id.error();

    // The user, if new.
    std::vector<std::string> services;
    const auto* const known = find_user(*config, options.user);
    for (const authz::Service& service : config->policy.services)
        services.emplace_back(service.name.view());
    if (!options.services.empty()) {
        for (const std::string& wanted : options.services)
            if (std::find(services.begin(), services.end(), wanted) == services.end())
                return Error{"there is no service " + in_quotes(wanted), "services are named in " + options.config_file,
                             Exit::usage};
        services = options.services;
    }
    const std::optional<gid_t> group = config->account.gid;
    if (auto done = create_directory(directory + "/users", 0755, {}, {}); !done)
        return done.error();
    if (auto done = create_directory(directory + "/credentials", 0750, {}, group); !done)
        return done.error();
    if (known != nullptr) {
        if (!options.services.empty())
            enrolled.notes.push_back("user " + options.user + " exists: his services stay as they are");
        services.clear();
        for (std::size_t i = 0; i < config->policy.services.size(); ++i)
            if (known->services.test(i))
                services.emplace_back(config->policy.services[i].name.view());
    }
    if (known == nullptr) {
        const std::string user =
            "# Rights of one user; docs/configuration.md describes every key.\n"
            "name: " +
            options.user + "\n" + "services: " + yaml_list(services) + "\n" +
            "# lifetime: 30s      # of a grant, when the client asks for none, instead of the service's own\n"
            "# max_lifetime: 1h\n"
            "# binding: any       # the packet's source may stand for a client behind NAT\n";
        if (auto done = files.write(directory + "/users/" + options.user + ".yaml", user, 0644); !done)
            return done.error();
    }

    // Secrets, then what names them: the daemon looks for .yaml files only.
    const std::string stem = directory + "/credentials/" + options.user + "." + options.device;
    if (fs::exists(stem + ".yaml"))
        return Error{"device " + in_quotes(options.user + "/" + options.device) + " exists",
                     "remove " + stem + ".* first, or name another device"};
    const std::string id = random_hex<wire::kCredentialIdSize>();
    const std::string key = random_base64();
    std::string secret;
    if (options.factor == FactorKind::totp)
        secret = random_base32();
    else if (options.factor == FactorKind::hmac)
        secret = random_base64();
    if (auto done = files.write(stem + ".key", key + "\n", 0640, group); !done)
        return done.error();
    if (!secret.empty())
        if (auto done = files.write(stem + ".otp", secret + "\n", 0640, group); !done)
            return done.error();
    std::string credential = "user: " + options.user + "\ndevice: " + options.device + "\nid: \"" + id +
                             "\"\nfactor: " + std::string(name_of(options.factor)) + "\n";
    if (options.factor == FactorKind::totp)
        credential += "digits: " + std::to_string(options.digits) + "\n";
    if (auto done = files.write(stem + ".yaml", credential, 0644); !done)
        return done.error();

    enrolled.profile_file =
        options.profile_file.empty() ? "xknock-" + options.user + "-" + options.device + ".yaml" : options.profile_file;
    std::string profile = "# Profile of " + options.user + "/" + options.device +
                          " for knock-client: put it into ~/.config/xknock, mode 0600.\n"
                          "# It holds a key: whoever has this file" +
                          (options.factor == FactorKind::totp ? " and a code of the moment" : "") + " can knock.\n" +
                          "hosts: " + yaml_list(options.hosts) + "\n";
    if (!options.server.empty())
        profile += "server: \"" + options.server + "\"\n";
    profile += "knock_port: " + std::to_string(config->port) + "\nserver_id: \"" + to_hex(*server_id) +
               "\"\ncredential: \"" + id + "\"\nkey: \"" + key + "\"\nfactor: " + std::string(name_of(options.factor)) +
               "\n";
    if (options.factor == FactorKind::totp)
        profile += "digits: " + std::to_string(options.digits) + "\n";
    if (options.factor == FactorKind::hmac)
        profile += "hmac_key: \"" + secret + "\"\n";
    if (!services.empty())
        profile += "service: " + services.front() + "\n" + services_block(*config, services);
    if (auto done = files.write(enrolled.profile_file, profile, 0600); !done)
        return done.error();

    if (options.factor == FactorKind::totp) {
        const std::string where = options.hosts.empty() ? "" : " " + options.hosts.front();
        enrolled.otpauth = "otpauth://totp/" + percent_encoded("xknock" + where) + ":" +
                           percent_encoded(options.user + "/" + options.device) + "?secret=" + secret +
                           "&issuer=" + percent_encoded("xknock" + where) +
                           "&algorithm=SHA1&digits=" + std::to_string(options.digits) + "&period=30";
    }
    // As the daemon will read it; a file that it would refuse must not stay.
    if (auto read_again = config::load_config(options.config_file); !read_again)
        return read_again.error();
    enrolled.files = files.keep();
    return enrolled;
}

Result<std::string> qr_code(const std::string& text, bool colours) {
    const std::unique_ptr<QRcode, decltype(&::QRcode_free)> code(
        ::QRcode_encodeString8bit(text.c_str(), 0, QR_ECLEVEL_L), ::QRcode_free);
    if (!code)
        return os_error("making a QR code");
    const int size = code->width, quiet = 2;
    const auto dark = [&](int x, int y) {
        return x >= 0 && y >= 0 && x < size && y < size && (code->data[y * size + x] & 1) != 0;
    };
    std::string out;
    for (int y = -quiet; y < size + quiet; y += 2) {
        out += colours ? "\033[30;47m" : "";
        for (int x = -quiet; x < size + quiet; ++x) {
            // With colours a dark module is the black foreground; without, the terminal is taken to be dark,
            // and what is drawn is the light modules.
            const bool upper = dark(x, y) == colours, lower = dark(x, y + 1) == colours;
            out += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
        }
        out += colours ? "\033[0m\n" : "\n";
    }
    return out;
}

} // namespace xk::tools
