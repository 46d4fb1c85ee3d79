// SPDX-License-Identifier: MIT
//
// Configuration files of any content: load_config() says what is wrong in words that are safe to print, or gives
// a configuration that keeps every promise that the rest of the daemon builds on.
//
// The input is up to five files, each ended by a line "---8<---": main, user, user, credential, credential.
#include "daemon/config/config.h"
#include "daemon/config/credential_file.h"
#include "daemon/config/services.h"
#include "daemon/config/user_file.h"
#include "directory.h"
#include "protocol/otp.h"
#include "protocol/yaml/document.h"
#include "protocol/yaml/edit.h"

#include <map>

using namespace xk;
using namespace xk::fuzz;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kCut = "---8<---\n";
constexpr const char* kFiles[] = {"xknock.yaml", "users/a.yaml", "users/b.yaml", "credentials/a.yaml",
                                  "credentials/b.yaml"};

const Directory& etc() {
    static const auto make = [] {
        auto directory = std::make_unique<Directory>();
        directory->make_directory("users");
        directory->make_directory("credentials");
        directory->write("server_id", "000102030405060708090a0b0c0d0e0f\n");
        for (const char* stem : {"credentials/a", "credentials/b"}) {
            directory->write(std::string(stem) + ".key", std::string(44, 'A'));
            directory->write(std::string(stem) + ".otp", std::string(44, 'A'));
        }
        return directory;
    };
    static const auto directory = make();
    return *directory;
}

bool are_lines(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

void check_refusal(const Error& error) {
    FUZZ_CHECK(!error.message.empty() && error.exit == Exit::configuration);
    FUZZ_CHECK(are_lines(error.message) && are_lines(error.hint));
}

void check_services(const config::Config& config) {
    std::map<ServiceId, std::string_view> ids;
    std::vector<std::pair<Address, PortRange>> taken;
    const auto take = [&](const Address& target, const PortRange& ports) {
        for (const auto& [other, theirs] : taken)
            FUZZ_CHECK(other != target || !theirs.meets(ports));
        FUZZ_CHECK(target != Address{} || !ports.has({IpProtocol::udp, config.port}));
        FUZZ_CHECK(ports.first != 0 && ports.first <= ports.last);
        taken.push_back({target, ports});
    };
    for (const authz::Service& service : config.policy.services) {
        FUZZ_CHECK(is_name(service.name.view()) && service.id == service_id(service.name.view()));
        FUZZ_CHECK(ids.emplace(service.id, service.name.view()).second);
        FUZZ_CHECK(service.name.view() != kAllServices);
        FUZZ_CHECK(service.port_count > 0 && service.port_count <= authz::kMaxPorts);
        for (const PortRange& ports : service.all_ports()) {
            if (!service.is_behind())
                take({}, ports);
            for (const Address& target : {service.target4, service.target6})
                if (target != Address{})
                    take(target, ports);
            FUZZ_CHECK(ports.is_single() ||
                       (!service.is_behind() && !service.single_use && service.max_connections == 0));
        }
        if (service.published.port != 0) {
            take({}, PortRange::of(service.published));
            FUZZ_CHECK(service.is_behind() && service.port_count == 1);
        }
        FUZZ_CHECK((service.after == authz::After::idle) == (service.idle > 0s));
        FUZZ_CHECK(config.gate_mode == config::GateMode::table || !config::needs_own_table(service));
    }
    FUZZ_CHECK(config.policy.services.size() <= authz::kMaxServices);
}

void check_credentials(const config::Config& config) {
    std::set<wire::CredentialId> ids;
    std::set<std::string> labels;
    FUZZ_CHECK(config.secrets.size() == config.policy.credentials.size());
    for (std::size_t i = 0; i < config.policy.credentials.size(); ++i) {
        const authz::Credential& c = config.policy.credentials[i];
        FUZZ_CHECK(!all_zero(c.id) && ids.insert(c.id).second && labels.insert(c.label()).second);
        FUZZ_CHECK(is_name(c.user.view()) && is_name(c.device.view()));
        FUZZ_CHECK(c.factor == FactorKind::none || has_codes(c.factor) || c.factor == FactorKind::hmac);
        FUZZ_CHECK(is_totp_digits(c.totp_digits));
        FUZZ_CHECK(c.max_lifetime == 0s || c.lifetime <= c.max_lifetime);
        FUZZ_CHECK(c.networks.count <= authz::kMaxNetworks && c.explicit_networks.count <= authz::kMaxNetworks);
        FUZZ_CHECK(c.explicit_networks.count == 0 || c.binding == authz::Binding::explicit_);
        FUZZ_CHECK(c.hours.count <= authz::kMaxHours && c.lockout.free < c.lockout.most);
        for (std::uint32_t h = 0; h < c.hours.count; ++h)
            FUZZ_CHECK(c.hours.spans[h].from < c.hours.spans[h].until && c.hours.spans[h].until <= 7 * 24 * 60);
        FUZZ_CHECK(c.valid_from < c.valid_until);
        for (std::size_t s = config.policy.services.size(); s < authz::kMaxServices; ++s)
            FUZZ_CHECK(!c.services.test(s));
        FUZZ_CHECK(config.secrets[i].factor.empty() == (c.factor == FactorKind::none));
        const auto opened = config::open_secrets(config, i);
        FUZZ_CHECK(opened && opened->size() == (c.factor == FactorKind::none ? 1 : 2));
    }
}

void check_arguments(const std::vector<std::string>& arguments) {
    FUZZ_CHECK(arguments.size() <= config::kMaxHookArguments);
    FUZZ_CHECK(arguments.empty() || arguments.front().starts_with('/'));
    std::size_t bytes = 0;
    for (const std::string& argument : arguments) {
        FUZZ_CHECK(argument.find('\0') == argument.npos);
        bytes += argument.size() + 1;
    }
    FUZZ_CHECK(bytes <= config::kMaxHookBytes);
}

void check_hooks(const config::Config& config) {
    const config::Hooks& hooks = config.hooks;
    FUZZ_CHECK(hooks.services.size() == config.policy.services.size());
    FUZZ_CHECK(hooks.time_limit >= 1s && hooks.time_limit <= 300s);
    for (const config::ServiceHooks& service : hooks.services) {
        check_arguments(service.on_open);
        check_arguments(service.on_close);
    }
    if (!hooks.any())
        return;
    const config::Account& account = hooks.account;
    FUZZ_CHECK(account.uid != 0 && account.gid != 0 && account.uid != static_cast<uid_t>(-1));
    FUZZ_CHECK(account.uid != config.account.uid && account.uid != config.worker_account.uid);
    FUZZ_CHECK(account.gid != config.account.gid && config.admin_group != account.gid);
}

void check_accepted(const config::Config& config) {
    FUZZ_CHECK(!config.interfaces.empty() && config.port != 0);
    const auto skew = config.policy.settings.skew;
    FUZZ_CHECK(skew >= 1s && skew <= 90s);
    FUZZ_CHECK(config.max_grants > 0);
    for (const Prefix& prefix : config.allow)
        FUZZ_CHECK(prefix.length > (prefix.is_v4() ? 96 : 0));
    // -1 means "leave it as it is" to setresuid(2) and chown(2).
    for (const config::Account& account : {config.account, config.worker_account}) {
        FUZZ_CHECK(account.uid != 0 && account.uid != static_cast<uid_t>(-1));
        FUZZ_CHECK(account.gid != static_cast<gid_t>(-1));
    }
    FUZZ_CHECK(config.account.uid != config.worker_account.uid);
    for (const auto& group : {config.admin_group, config.read_group})
        FUZZ_CHECK(!group || *group != static_cast<gid_t>(-1));
    for (const std::string& path : {config.run_directory, config.state_directory, config.pin_directory})
        FUZZ_CHECK(path.starts_with('/') && path.find('\0') == path.npos);
    if (config.gate_mode == config::GateMode::external)
        FUZZ_CHECK(config.allow.empty());
    for (const std::string& warning : config.warnings)
        FUZZ_CHECK(is_printable(warning));
    check_services(config);
    check_hooks(config);
    check_credentials(config);
}

// A user or a device without a fault is written in such a way that it is read as the same.
void check_written(std::string_view text) {
    const config::CheckService any = [](std::string_view) { return Result<void>(); };
    yaml::Faults faults;
    if (auto section = yaml::read(text, "fuzz.yaml", faults)) {
        const config::UserFile user = config::read_user_file(*section, any);
        const auto written = faults.empty() ? config::user_file_text(user) : Result<std::string>(Error{});
        yaml::Faults again;
        if (auto second = written ? yaml::read(*written, "again.yaml", again) : std::nullopt)
            FUZZ_CHECK(config::read_user_file(*second, any) == user && again.empty());
        // Nothing but a service's name, which any text may be here, can be wrong with what was read without a fault.
        if (faults.empty() && !written)
            FUZZ_CHECK(written.error().message.find("services: ") != std::string::npos);
    }
    yaml::Faults more;
    if (auto section = yaml::read(text, "fuzz.yaml", more)) {
        const config::CredentialFile device = config::read_credential_file(*section);
        if (!more.empty())
            return;
        const auto written = config::credential_file_text(device);
        FUZZ_CHECK(written.has_value());
        yaml::Faults again;
        auto second = yaml::read(*written, "again.yaml", again);
        FUZZ_CHECK(second && config::read_credential_file(*second) == device && again.empty());
    }
}

// A change of one key leaves the others as they are, or is refused.
void check_edited(std::string_view text) {
    const auto edited = yaml::edit_mapping(text, "fuzz.yaml", {{"lifetime", "30s"}});
    if (!edited)
        return;
    yaml::Faults faults;
    auto section = yaml::read(*edited, "fuzz.yaml", faults);
    FUZZ_CHECK(section && section->scalar("lifetime")->value == "30s");
    yaml::Faults before;
    auto old = yaml::read(text, "fuzz.yaml", before);
    FUZZ_CHECK(old.has_value());
    for (const yaml::Scalar& key : old->keys())
        FUZZ_CHECK(section->has(key.value));
}

// The reader of YAML by itself: every getter on every key, whatever is there.
void check_document(std::string_view text) {
    yaml::Faults faults;
    auto section = yaml::read(text, "fuzz.yaml", faults);
    FUZZ_CHECK(section.has_value() || !faults.empty());
    if (section) {
        for (const char* key : {"interfaces", "services", "xdp", "user", "name"}) {
            (void)section->scalar(key);
            (void)section->boolean(key);
            if (const auto number = section->number(key, 1, 65535))
                FUZZ_CHECK(*number >= 1 && *number <= 65535);
            (void)section->scalars(key);
            (void)section->entries(key);
            if (auto inner = section->section(key))
                inner->finish();
        }
        section->finish();
    }
    for (const yaml::Fault& fault : faults.all()) {
        FUZZ_CHECK(!fault.message.empty() && fault.place.file == "fuzz.yaml");
        FUZZ_CHECK(is_printable(fault.text()));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text = text_of({data, size});
    for (const char* name : kFiles) {
        const std::size_t end = text.find(kCut);
        const std::string_view file = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + kCut.size());
        if (file.empty())
            etc().remove(name);
        else
            etc().write(name, file);
        check_document(file);
        check_written(file);
        check_edited(file);
    }
    const auto loaded = config::load_config(etc() / "xknock.yaml");
    if (loaded)
        check_accepted(*loaded);
    else
        check_refusal(loaded.error());
    return 0;
}
