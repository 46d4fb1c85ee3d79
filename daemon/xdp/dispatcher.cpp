// SPDX-License-Identifier: MIT
#include "daemon/xdp/dispatcher.h"

#include "bpf/abi.h"
#include "daemon/xdp/link_layer.h"
#include "protocol/base/quote.h"

#include "knock.skel.h"

#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <poll.h>
#include <xdp/libxdp.h>

#include <cstdarg>
#include <cstdio>
#include <vector>

namespace xk::xdp {
namespace {

constexpr unsigned kNeeded[] = {CAP_SYS_ADMIN, CAP_DAC_OVERRIDE};

std::string& last_words() {
    static std::string words;
    return words;
}

[[gnu::format(printf, 2, 0)]] int listen(libxdp_print_level level, const char* format, va_list arguments) {
    if (level != LIBXDP_WARN)
        return 0;
    char line[512];
    std::vsnprintf(line, sizeof line, format, arguments);
    last_words() = line;
    last_words().erase(last_words().find_last_not_of('\n') + 1);
    if (last_words().rfind("libxdp: ", 0) == 0)
        last_words().erase(0, 8);
    return 0;
}

Error dispatcher_error(int code, const std::string& what, const std::string& hint = {}) {
    Error error = os_error_of(code, what, hint);
    if (!last_words().empty())
        error.message += " (" + printable(last_words()) + ")";
    return error;
}

// The capabilities of kNeeded, in effect while this lives.
class Rights {
  public:
    Rights() {
        last_words().clear();
        libxdp_set_print(listen);
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_get_caps_process() != 0)
            return;
        for (const unsigned capability : kNeeded)
            if (capng_have_capability(CAPNG_PERMITTED, capability) &&
                !capng_have_capability(CAPNG_EFFECTIVE, capability))
                raised_.push_back(capability);
        change(CAPNG_ADD);
    }
    ~Rights() {
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_get_caps_process() == 0)
            change(CAPNG_DROP);
    }
    Rights(const Rights&) = delete;
    Rights& operator=(const Rights&) = delete;

  private:
    void change(capng_act_t action) {
        for (const unsigned capability : raised_)
            capng_update(action, CAPNG_EFFECTIVE, capability);
        if (!raised_.empty())
            (void)capng_apply(CAPNG_SELECT_CAPS); // what fails for the want of them says so
    }

    std::vector<unsigned> raised_;
};

struct CloseMultiprog {
    void operator()(xdp_multiprog* programs) const { xdp_multiprog__close(programs); }
};
using Multiprog = std::unique_ptr<xdp_multiprog, CloseMultiprog>;

// A dispatcher and not some other single program.
bool is_dispatcher(const Multiprog& programs) { return programs && !xdp_multiprog__is_legacy(programs.get()); }

// One by its name, but libxdp does not find what belongs to it.
bool is_broken(const Multiprog& programs) {
    return programs && !is_dispatcher(programs) &&
           xdp_program__name(xdp_multiprog__main_prog(programs.get())) == std::string_view("xdp_dispatcher");
}

// By its name, of the programs in bpf/knock.bpf.c.
bool is_ours(const xdp_program* program) {
    const std::string_view name = xdp_program__name(program);
    return name == "xknock" || name == "xknock_ip";
}

// What is attached to the interface; null for nothing.
Result<Multiprog> programs_on(int ifindex) {
    for (const int patience_ms : {10, 50, 0}) {
        xdp_multiprog* const found = xdp_multiprog__get_from_ifindex(ifindex);
        const auto failure = static_cast<int>(libxdp_get_error(found));
        if (failure == -ENOENT)
            break;
        if (failure != 0)
            return dispatcher_error(failure, "reading the XDP programs of interface " + std::to_string(ifindex));
        Multiprog programs(found);
        if (!is_broken(programs) || patience_ms == 0)
            return programs;
        ::poll(nullptr, 0, patience_ms); // somebody exchanged it at the moment of reading
    }
    return Multiprog();
}

// The components that are filters of ours, without the one of this number.
std::vector<xdp_program*> ours_in(const Multiprog& programs, std::uint32_t without = 0) {
    std::vector<xdp_program*> ours;
    if (is_dispatcher(programs))
        for (auto* p = xdp_multiprog__next_prog(nullptr, programs.get()); p != nullptr;
             p = xdp_multiprog__next_prog(p, programs.get()))
            if (is_ours(p) && xdp_program__id(p) != without)
                ours.push_back(p);
    return ours;
}

bool has(const Multiprog& programs, const xdp_program* program) {
    const std::uint32_t id = xdp_program__id(program);
    return id != 0 && ours_in(programs).size() != ours_in(programs, id).size();
}

Result<void> take_away(const Multiprog& programs, std::vector<xdp_program*> which, int ifindex) {
    if (which.empty())
        return {};
    // Its mode must be named: a dispatcher in generic mode is not exchanged for one in native mode.
    if (const int failure = xdp_program__detach_multi(which.data(), which.size(), ifindex,
                                                      xdp_multiprog__attach_mode(programs.get()), 0);
        failure != 0)
        return dispatcher_error(failure, "taking the filter away from the dispatcher");
    return {};
}

Error no_dispatcher(const std::string& what) {
    return Error{what,
                 "XDP programs share an interface on Linux 5.10 or later, not in lockdown (cat "
                 "/sys/kernel/security/lockdown), with package libxdp1; without others: \"xdp: {coexist: none}\""};
}

Error in_the_way(const std::string& interface, const Multiprog& programs) {
    const xdp_program* const holder = xdp_multiprog__main_prog(programs.get());
    if (is_broken(programs))
        return Error{"libxdp's dispatcher on interface " + in_quotes(interface) +
                         " has lost its pins in /sys/fs/bpf/xdp",
                     "xdp-loader unload " + interface + " --all, then attach all programs again"};
    return Error{"XDP program id " + std::to_string(xdp_program__id(holder)) + " " +
                     in_quotes(xdp_program__name(holder)) + " is attached to interface " + in_quotes(interface) +
                     " without libxdp's dispatcher",
                 "bpftool net show dev " + interface + " says more; take it away first, or attach it with xdp-loader"};
}

// Attaches where `there` is what was found; gives the mode.
Result<xdp_attach_mode> attach_beside(const Multiprog& there, xdp_program* program, const std::string& interface,
                                      int ifindex, bool allow_generic) {
    if (there && !is_dispatcher(there))
        return in_the_way(interface, there);
    xdp_attach_mode mode = there ? xdp_multiprog__attach_mode(there.get()) : XDP_MODE_NATIVE;
    if (mode == XDP_MODE_SKB && !allow_generic)
        return Error{"others attached XDP programs to interface " + in_quotes(interface) + " in generic mode",
                     "attach them in native mode, or \"xdp: {allow_generic: true}\" accepts the slower generic mode"};
    int failure = has(there, program) ? 0 : xdp_program__attach(program, ifindex, mode, 0);
    if (failure != 0 && !there && allow_generic)
        failure = xdp_program__attach(program, ifindex, mode = XDP_MODE_SKB, 0);
    if (failure == 0)
        return mode;
    return dispatcher_error(failure, "attaching to " + in_quotes(interface) + " through libxdp",
                            there
                                ? "xdp-loader status " + interface + " shows the others"
                                : "where its driver has no native XDP, or not with these settings (LRO, an MTU above " +
                                      std::to_string(largest_mtu_in_a_page()) +
                                      "), "
                                      "\"xdp: {allow_generic: true}\" accepts the slower generic mode");
}

} // namespace

Result<void> check_dispatcher() {
    capng_clear(CAPNG_SELECT_BOTH);
    if (capng_get_caps_process() != 0)
        return os_error("reading our capabilities");
    for (const unsigned capability : kNeeded)
        if (!capng_have_capability(CAPNG_PERMITTED, capability))
            return Error{"the process lacks CAP_SYS_ADMIN or CAP_DAC_OVERRIDE, which \"xdp: {coexist: libxdp}\" needs",
                         "start xknockd as root, or install coexist.conf as a drop-in of its unit "
                         "(docs/configuration.md, \"xdp\")"};
    const Rights rights;
    // Otherwise libxdp would attach the filter alone, as if nobody else were to come.
    if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, nullptr) == 1)
        return {};
    return no_dispatcher(
        "this kernel does not let XDP programs share an interface: it refuses BPF programs that extend "
        "others (freplace)");
}

Result<void> leave_dispatcher(int ifindex) {
    const Rights rights;
    auto programs = programs_on(ifindex);
    if (!programs)
        return programs.error();
    return take_away(*programs, ours_in(*programs), ifindex);
}

Result<void> replace_dispatcher(const std::string& interface, int ifindex) {
    const Rights rights;
    auto programs = programs_on(ifindex);
    if (!programs)
        return programs.error();
    const auto ours = ours_in(*programs);
    if (is_dispatcher(*programs) && static_cast<int>(ours.size()) != xdp_multiprog__program_count(programs->get()))
        return Error{
            "others attached XDP programs to interface " + in_quotes(interface) + " through libxdp's dispatcher",
            "\"xdp: {coexist: libxdp}\" is for that; or take them away first (xdp-loader status " + interface + ")"};
    return take_away(*programs, ours, ifindex);
}

void Component::Close::operator()(xdp_program* program) const { xdp_program__close(program); }

Component::Component(Skeleton skeleton, std::unique_ptr<xdp_program, Close> program)
    : skeleton_(std::move(skeleton)), program_(std::move(program)) {}

Result<Component> Component::make(Skeleton skeleton, const char* name, unsigned priority) {
    if (!skeleton)
        return os_error("opening the filter");
    libxdp_set_print(listen);
    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, skeleton->obj)
        bpf_program__set_autoload(each, bpf_program__name(each) == std::string_view(name));
    DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = skeleton->obj, .prog_name = name);
    std::unique_ptr<xdp_program, Close> program(xdp_program__create(&options));
    if (const auto failure = static_cast<int>(libxdp_get_error(program.get())); failure != 0) {
        (void)program.release(); // an error in the shape of a pointer
        return dispatcher_error(failure, "opening the filter for libxdp");
    }
    if (const int failure = xdp_program__set_run_prio(program.get(), priority); failure != 0)
        return dispatcher_error(failure, "setting the filter's priority");
    return Component(std::move(skeleton), std::move(program));
}

Result<bool> Component::attach(const std::string& interface, int ifindex, bool allow_generic) {
    const Rights rights;
    auto programs = programs_on(ifindex);
    if (!programs)
        return programs.error();
    const auto mode = attach_beside(*programs, program_.get(), interface, ifindex, allow_generic);
    if (!mode)
        return mode.error();
    programs = programs_on(ifindex);
    if (!programs || !has(*programs, program_.get())) {
        (void)xdp_program__detach(program_.get(), ifindex, *mode, 0);
        return no_dispatcher("libxdp attached the filter to " + in_quotes(interface) + " without its dispatcher");
    }
    if (auto done = take_away(*programs, ours_in(*programs, xdp_program__id(program_.get())), ifindex); !done)
        return done.error();
    return *mode == XDP_MODE_SKB;
}

bool Component::is_attached(int ifindex) const {
    const Rights rights;
    auto programs = programs_on(ifindex);
    return programs && has(*programs, program_.get());
}

} // namespace xk::xdp
