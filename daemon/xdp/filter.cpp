// SPDX-License-Identifier: MIT
#include "daemon/xdp/filter.h"

#include "daemon/xdp/dispatcher.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/pinned_maps.h"
#include "protocol/base/quote.h"

#include "knock.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <filesystem>

namespace xk::xdp {
namespace {

namespace fs = std::filesystem;

#ifndef BPF_FS_MAGIC
constexpr long BPF_FS_MAGIC = 0xcafe4a11;
#endif

constexpr const char* kKernelHint = "xknockd needs Linux 5.10 or later and CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";

// What libbpf said last at warning level; it knows more than errno does.
std::string& last_words() {
    static std::string words;
    return words;
}

[[gnu::format(printf, 2, 0)]] int listen(libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_WARN)
        return 0;
    char line[512];
    std::vsnprintf(line, sizeof line, format, arguments);
    std::string text(line);
    text.erase(text.find_last_not_of('\n') + 1);
    if (text.rfind("libbpf: ", 0) == 0)
        text.erase(0, 8);
    last_words() = text;
    return 0;
}

Error bpf_error(int code, const std::string& what, const std::string& hint = kKernelHint) {
    Error error = os_error_of(code, what, hint);
    if (!last_words().empty())
        error.message += " (" + printable(last_words()) + ")";
    return error;
}

Result<void> check_bpf_file_system(const std::string& directory) {
    std::error_code code;
    fs::create_directories(directory, code);
    struct statfs info {};
    if (::statfs(directory.c_str(), &info) != 0)
        return os_error("directory for pins " + in_quotes(directory),
                        "systemd-tmpfiles --create makes it; is the BPF file system mounted? "
                        "mount -t bpf bpf /sys/fs/bpf");
    if (info.f_type != BPF_FS_MAGIC)
        return Error{in_quotes(directory) + " is not on a BPF file system", "mount -t bpf bpf /sys/fs/bpf",
                     Exit::configuration};
    return {};
}

// Name and number of the program that sits on the interface; the name only where we may look it up
// (CAP_SYS_ADMIN).
std::string holder_of(int ifindex) {
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    if (bpf_xdp_query(ifindex, 0, &query) != 0 || query.prog_id == 0)
        return "another program";
    std::string name = "XDP program id " + std::to_string(query.prog_id);
    const Fd fd(bpf_prog_get_fd_by_id(query.prog_id));
    bpf_prog_info info{};
    __u32 size = sizeof info;
    if (fd && bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0)
        name += " " + in_quotes(info.name);
    return name;
}

bool has_program(int ifindex) {
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    return bpf_xdp_query(ifindex, 0, &query) != 0 || query.attach_mode != XDP_ATTACHED_NONE;
}

std::string instead_of(const std::string& interface) {
    std::string list;
    for (const std::string& below : interfaces_below(interface))
        list += (list.empty() ? "; or name what it is made of in its place: " : ", ") + below;
    return list;
}

// When this returns no packet meets the program any more. Without its last pin a link goes too, but at some later time
// (after a grace period of RCU, by a work queue: bpf_link_put() in kernel/bpf/syscall.c).
void detach_link(const std::string& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    if (link)
        (void)bpf_link_detach(link.get());
    ::unlink(pin.c_str());
}

// A pin of a link, or whatever else has one of our names, with all that is below.
void remove_pin(const fs::path& path) {
    std::error_code code;
    if (fs::is_directory(path, code))
        for (const auto& entry : fs::directory_iterator(path, code))
            remove_pin(entry.path());
    else if (path.filename().string().rfind("link-", 0) == 0)
        return detach_link(path);
    fs::remove(path, code);
}

Mode mode_of(int ifindex) {
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    if (bpf_xdp_query(ifindex, 0, &query) == 0 && query.attach_mode == XDP_ATTACHED_SKB)
        return Mode::generic;
    return Mode::native;
}

// Of the link that is pinned there; 0 where there is none, or where its interface is gone.
int interface_of_link(const std::string& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    bpf_link_info info{};
    __u32 size = sizeof info;
    const bool known = link && bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0 && info.type == BPF_LINK_TYPE_XDP;
    return known ? static_cast<int>(info.xdp.ifindex) : 0;
}

// An interface that was renamed has a link of ours under its old name: that is the one to take over.
void rename_pin(const std::string& pins, int ifindex, const std::string& pin) {
    std::error_code code;
    if (interface_of_link(pin) == ifindex)
        return;
    for (const auto& entry : fs::directory_iterator(pins, code))
        if (entry.path().filename().string().rfind("link-", 0) == 0 && interface_of_link(entry.path()) == ifindex) {
            (void)::rename(entry.path().c_str(), pin.c_str());
            return;
        }
}

std::size_t index_of(LinkLayer layer) { return static_cast<std::size_t>(layer); }

// Why the driver refuses native mode, in its own words: link_create hands over a number only, and the older request by
// netlink the text too (extended acknowledgement).
std::string words_of_driver(int ifindex, int program) {
    last_words().clear();
    LIBBPF_OPTS(bpf_xdp_attach_opts, options);
    constexpr __u32 kFlags = XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST;
    if (bpf_xdp_attach(ifindex, program, kFlags, &options) == 0)
        (void)bpf_xdp_detach(ifindex, kFlags, &options); // somebody made it possible between the two
    const std::string_view begin = "Kernel error message: ";
    return last_words().rfind(begin, 0) == 0 ? last_words().substr(begin.size()) : std::string();
}

Error no_native_mode(int code, const std::string& interface, int ifindex, int program, std::uint32_t mtu) {
    const std::string generic =
        "\"xdp: {allow_generic: true}\" accepts the slower generic mode" + instead_of(interface);
    Error error = os_error_of(code, "attaching to " + in_quotes(interface) + " in native mode");
    if (const std::string words = words_of_driver(ifindex, program); !words.empty())
        error.message += " (" + printable(words) + ")";
    const std::string most = std::to_string(largest_mtu_in_a_page());
    error.hint = mtu > largest_mtu_in_a_page()
                     ? "its MTU is " + std::to_string(mtu) +
                           ", and its driver or this kernel (before 5.18) wants each packet "
                           "in one page: ip link set dev " +
                           interface + " mtu " + most + "; or " + generic
                     : "its driver has no native XDP, or not with these settings (LRO, queues); " + generic;
    return error;
}

// Whether an entry of the directory has a name that we give: somebody may have put another one there.
bool is_ours(const std::string& name) {
    return name.rfind("link-", 0) == 0 || name == "dry-run" || is_maps_directory(name);
}

// The BPF file system takes no name with a dot, which a VLAN's device has; no interface has a colon in its name.
std::string as_pin(std::string interface) {
    std::replace(interface.begin(), interface.end(), '.', ':');
    return interface;
}
// The interface of an entry of the directory, behind "link-" or "share-".
std::string interface_of(const std::string& entry) {
    std::string interface = entry.substr(entry.find('-') + 1);
    std::replace(interface.begin(), interface.end(), ':', '.');
    return interface;
}

std::string share_of(const std::string& pins, const std::string& interface) {
    return pins + "/share-" + as_pin(interface);
}

// Whether an entry of the directory begins like this.
bool has_entry(const std::string& directory, std::string_view begin) {
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(directory, code))
        if (entry.path().filename().string().rfind(begin, 0) == 0)
            return true;
    return false;
}

// Out of the dispatcher of that interface, if it is there still.
Result<void> end_share(const fs::path& share) {
    const auto ifindex = index_of_interface(interface_of(share.filename()));
    auto done = ifindex == 0 ? Result<void>() : leave_dispatcher(ifindex);
    if (done)
        ::rmdir(share.c_str());
    return done;
}

// A filter that stays, in a dispatcher or for the moment, must not drop what nobody forbids any more.
void switch_guards_off(const std::string& pins) {
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(pins, code)) {
        const Fd map(bpf_obj_get((entry.path().string() + "/syn_guard").c_str()));
        bpf_map_info info{};
        __u32 size = sizeof info;
        if (!map || bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0)
            continue;
        const std::vector<char> nothing(info.value_size);
        const __u32 zero = 0;
        (void)bpf_map_update_elem(map.get(), &zero, nothing.data(), BPF_ANY);
    }
}

knock_bpf* open_with(const FilterSettings& settings, const std::string& maps) {
    knock_bpf* const skeleton = knock_bpf__open();
    if (skeleton == nullptr)
        return nullptr;
    xk_settings values{};
    values.knock_port = __builtin_bswap16(settings.knock_port);
    values.stealth = settings.dry_run            ? XK_STEALTH_DRY
                     : settings.answer_as_closed ? XK_STEALTH_CLOSED
                                                 : XK_STEALTH_DROP;
    values.knock_interval = static_cast<__u64>(settings.knock_interval.count());
    values.knock_burst = settings.knock_burst;
    std::memcpy(const_cast<xk_settings*>(reinterpret_cast<const volatile xk_settings*>(&skeleton->rodata->settings)),
                &values, sizeof values);
    // Without it drivers refuse an MTU above a page.
    if (takes_fragments())
        for (bpf_program* program : {skeleton->progs.xknock, skeleton->progs.xknock_ip})
            bpf_program__set_flags(program, bpf_program__flags(program) | BPF_F_XDP_HAS_FRAGS);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj) {
        if (is_pinned(bpf_map__name(map)))
            bpf_map__set_pin_path(map, (maps + "/" + bpf_map__name(map)).c_str());
    }
    // Pinned, it is the same memory for a program that libxdp loads by itself. Its own name has a dot, which no pin
    // may.
    bpf_map__set_pin_path(skeleton->maps.bss, (maps + "/ban_counts").c_str());
    return skeleton;
}

} // namespace

bool takes_fragments() {
    const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_XDP, .prog_flags = BPF_F_XDP_HAS_FRAGS);
    return bool(Fd(bpf_prog_load(BPF_PROG_TYPE_XDP, "fragments", "GPL", pass, std::size(pass), &options)));
}

std::string pin_of_link(const std::string& pins, const std::string& interface) {
    return pins + "/link-" + as_pin(interface);
}

void Filter::Destroy::operator()(knock_bpf* skeleton) const { knock_bpf__destroy(skeleton); }

Filter::Filter(std::unique_ptr<knock_bpf, Destroy> skeleton, std::string pins)
    : skeleton_(std::move(skeleton)), pins_(std::move(pins)) {}
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

Result<Filter> Filter::load(const FilterSettings& settings, const std::string& pins,
                            const std::function<void(const std::string&)>& note) {
    libbpf_set_print(listen);
    if (auto ok = check_bpf_file_system(pins); !ok)
        return ok.error();
    const std::string maps = maps_directory(pins);
    std::error_code code;
    fs::create_directories(maps, code);
    for (const bool again : {false, true}) {
        last_words().clear();
        std::unique_ptr<knock_bpf, Destroy> skeleton(open_with(settings, maps));
        if (!skeleton)
            return bpf_error(errno, "opening the filter");
        if (settings.share) // libxdp loads the programs; the maps are needed before
            for (bpf_program* program : {skeleton->progs.xknock, skeleton->progs.xknock_ip})
                bpf_program__set_autoload(program, false);
        share_maps_of_before(skeleton->obj, pins);
        const int failure = knock_bpf__load(skeleton.get());
        if (failure == 0)
            copy_maps_of_before(skeleton->obj, pins, note);
        if (failure == 0 && !settings.share)
            return Filter(std::move(skeleton), pins);
        if (failure == 0) {
            Filter filter(std::move(skeleton), pins);
            for (const LinkLayer layer : {LinkLayer::ethernet, LinkLayer::none}) {
                auto component =
                    Component::make({open_with(settings, maps), knock_bpf__destroy},
                                    layer == LinkLayer::ethernet ? "xknock" : "xknock_ip", settings.run_priority);
                if (!component)
                    return component.error();
                filter.components_[index_of(layer)] = std::make_unique<Component>(*std::move(component));
            }
            return filter;
        }
        // libbpf does not take a pinned map of another shape: of another size, damaged or foreign.
        Error error = bpf_error(failure, "loading the filter");
        if (failure != -EINVAL || again || move_misfits(skeleton->obj, pins) == 0)
            return error;
        note("pinned maps in " + maps + " do not fit and are made anew: " + last_words());
    }
    return Error{"loading the filter failed", {}};
}

int Filter::program_for(LinkLayer layer) const {
    return bpf_program__fd(layer == LinkLayer::ethernet ? skeleton_->progs.xknock : skeleton_->progs.xknock_ip);
}

Result<Attachment> Filter::take_over(const std::string& interface, int ifindex, LinkLayer layer,
                                     const std::string& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    if (!link)
        return os_error("opening " + in_quotes(pin));
    bpf_link_info info{};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0)
        return os_error("asking for " + in_quotes(pin));
    if (info.type != BPF_LINK_TYPE_XDP || info.xdp.ifindex != static_cast<__u32>(ifindex))
        return Error{"the pinned link is of another interface", {}};
    LIBBPF_OPTS(bpf_link_update_opts, options);
    if (bpf_link_update(link.get(), program_for(layer), &options) != 0)
        return os_error("exchanging the program on " + in_quotes(interface));
    return Attachment{interface, ifindex, mode_of(ifindex)};
}

Result<Attachment> Filter::attach(const std::string& interface, bool allow_generic) {
    const std::string pin = pin_of_link(pins_, interface);
    int ifindex = index_of_interface(interface);
    if (ifindex == 0)
        ifindex = interface_of_link(pin); // it has another name now
    if (ifindex == 0)
        return Error{"there is no interface " + in_quotes(interface), "interfaces here: " + known_interfaces()};
    auto its = read_link(ifindex);
    if (!its)
        return std::move(its).error().within(interface);
    allow_generic |= its->layer == LinkLayer::none;
    if (is_shared())
        return attach_shared(interface, ifindex, its->layer, allow_generic);
    if (const std::string share = share_of(pins_, interface); ::access(share.c_str(), F_OK) == 0) {
        if (auto alone = replace_dispatcher(interface, ifindex); !alone)
            return alone.error();
        ::rmdir(share.c_str());
    }
    rename_pin(pins_, ifindex, pin);
    if (::access(pin.c_str(), F_OK) == 0) {
        if (auto taken = take_over(interface, ifindex, its->layer, pin);
            taken && (taken->mode == Mode::native || allow_generic))
            return taken;
        // A link of an interface that is gone, that somebody detached, or in a mode that is not allowed any more: begin
        // anew.
        detach_link(pin);
    }
    const int program = program_for(its->layer);
    LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
    Fd link(bpf_link_create(program, ifindex, BPF_XDP, &native));
    int failure = errno;
    // Since Linux 5.15; the program of the one above may be our own.
    if (!link && failure == EEXIST && !has_program(ifindex))
        return Error{"an interface above " + in_quotes(interface) +
                         " has an XDP program, and then the kernel takes none here",
                     "name only one of the two in \"interfaces\""};
    if (!link && (failure == EBUSY || failure == EEXIST))
        return Error{holder_of(ifindex) + " is attached to interface " + in_quotes(interface),
                     "bpftool net show dev " + interface +
                         " says more; if it is xdp_dispatcher, "
                         "\"xdp: {coexist: libxdp}\" adds the filter to it; else take it away first"};
    if (!link && !allow_generic)
        return no_native_mode(failure, interface, ifindex, program, its->mtu);
    if (!link) {
        LIBBPF_OPTS(bpf_link_create_opts, generic, .flags = XDP_FLAGS_SKB_MODE);
        link.reset(bpf_link_create(program, ifindex, BPF_XDP, &generic));
        failure = errno;
    }
    if (!link)
        return bpf_error(failure, "attaching to " + in_quotes(interface));
    if (bpf_obj_pin(link.get(), pin.c_str()) != 0)
        return os_error("pinning the link as " + in_quotes(pin));
    return Attachment{interface, ifindex, mode_of(ifindex)};
}

// The filter is in a dispatcher, or will be; the directory says so to whoever comes after us.
Result<Attachment> Filter::attach_shared(const std::string& interface, int ifindex, LinkLayer layer,
                                         bool allow_generic) {
    if (const std::string share = share_of(pins_, interface); ::mkdir(share.c_str(), 0700) != 0 && errno != EEXIST)
        return os_error("making " + in_quotes(share));
    // A link and a dispatcher exclude each other, so there is a moment without either; the ruleset stands meanwhile.
    if (const std::string pin = pin_of_link(pins_, interface); ::access(pin.c_str(), F_OK) == 0)
        detach_link(pin);
    auto generic = components_[index_of(layer)]->attach(interface, ifindex, allow_generic);
    if (!generic)
        return generic.error();
    return Attachment{interface, ifindex, *generic ? Mode::generic : Mode::native};
}

bool Filter::is_attached(const Attachment& attachment) const {
    const int named = index_of_interface(attachment.interface);
    if (is_shared())
        return std::ranges::any_of(components_, [&](const auto& component) {
            return component->is_attached(named != 0 ? named : attachment.ifindex);
        });
    // The kernel forgets the interface when it goes, or when the link is detached.
    const int linked = interface_of_link(pin_of_link(pins_, attachment.interface));
    return linked != 0 && (named == 0 || named == linked);
}

std::string_view name_of(Mode mode) {
    switch (mode) {
    case Mode::native:
        return "native";
    case Mode::generic:
        return "generic";
    case Mode::none:
        break;
    }
    return "not attached";
}

void Filter::detach_others(const std::vector<std::string>& interfaces) {
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(pins_, code)) {
        const std::string name = entry.path().filename();
        if (name.rfind("link-", 0) == 0 &&
            std::find(interfaces.begin(), interfaces.end(), interface_of(name)) == interfaces.end())
            detach_link(entry.path());
        else if (name.rfind("share-", 0) == 0 &&
                 std::find(interfaces.begin(), interfaces.end(), interface_of(name)) == interfaces.end())
            (void)end_share(entry.path()); // what stays is tried again with the next configuration
        // Maps of another release's filter, whose program no link of ours runs any more.
        else if (is_maps_directory(name) && entry.path() != maps_directory(pins_))
            fs::remove_all(entry.path(), code);
    }
}

bool Filter::has_links(const std::string& pins) { return has_entry(pins, "link-") || has_shares(pins); }
bool Filter::has_shares(const std::string& pins) { return has_entry(pins, "share-"); }

Result<void> Filter::remove_pins(const std::string& pins) {
    libbpf_set_print(listen);
    switch_guards_off(pins);
    Result<void> done;
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(pins, code)) {
        if (entry.path().filename().string().rfind("share-", 0) == 0) {
            if (auto ended = end_share(entry.path()); !ended)
                done = ended;
        } else if (is_ours(entry.path().filename())) {
            remove_pin(entry.path());
        }
    }
    return done;
}

void Filter::remove_dry_run(const std::string& pins) { remove_pin(pins_of_dry_run(pins)); }

int Filter::map_fd(const bpf_map* map) const { return bpf_map__fd(map); }
int Filter::ring_fd() const { return bpf_map__fd(skeleton_->maps.candidates); }

} // namespace xk::xdp
