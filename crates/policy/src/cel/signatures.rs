//! The signatures of all built-in functions, for the checker.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::types::Type;

/// One way to call a function.
#[derive(Clone, Debug)]
pub(crate) struct Overload {
    /// Whether it is called on its first parameter.
    pub(crate) method: bool,
    pub(crate) parameters: Vec<Type>,
    /// Whether the last parameter may stand any number of times.
    pub(crate) variadic: bool,
    pub(crate) result: Type,
}

/// One function a line: `[RECEIVER->]NAME[,NAME…](PARAMETERS) RESULT`. Capital letters are type parameters.
const TABLE: &str = "
_==_,_!=_(A, A) bool
_<_,_<=_,_>_,_>=_(bool, bool) bool
_<_,_<=_,_>_,_>=_(int, int) bool
_<_,_<=_,_>_,_>=_(int, uint) bool
_<_,_<=_,_>_,_>=_(int, double) bool
_<_,_<=_,_>_,_>=_(uint, uint) bool
_<_,_<=_,_>_,_>=_(uint, int) bool
_<_,_<=_,_>_,_>=_(uint, double) bool
_<_,_<=_,_>_,_>=_(double, double) bool
_<_,_<=_,_>_,_>=_(double, int) bool
_<_,_<=_,_>_,_>=_(double, uint) bool
_<_,_<=_,_>_,_>=_(string, string) bool
_<_,_<=_,_>_,_>=_(bytes, bytes) bool
_<_,_<=_,_>_,_>=_(timestamp, timestamp) bool
_<_,_<=_,_>_,_>=_(duration, duration) bool
_+_,_-_,_*_,_/_,_%_(int, int) int
_+_,_-_,_*_,_/_,_%_(uint, uint) uint
_+_,_-_,_*_,_/_(double, double) double
_+_(string, string) string
_+_(bytes, bytes) bytes
_+_(list<A>, list<A>) list<A>
_+_,_-_(duration, duration) duration
_+_,_-_(timestamp, duration) timestamp
_+_(duration, timestamp) timestamp
_-_(timestamp, timestamp) duration
_in_(A, list<A>) bool
_in_(A, map<A,B>) bool
-_(int) int
-_(double) double
!_(bool) bool
_&&_,_||_(bool, bool) bool
_?_:_(bool, A, A) A
_[_](list<A>, int) A
_[_](map<A,B>, A) B
_[_](optional<list<A>>, int) optional<A>
_[_](optional<map<A,B>>, A) optional<B>
_[?_](list<A>, int) optional<A>
_[?_](map<A,B>, A) optional<B>
_[?_](optional<list<A>>, int) optional<A>
_[?_](optional<map<A,B>>, A) optional<B>
size(string) int
size(bytes) int
size(list<A>) int
size(map<A,B>) int
string->size() int
bytes->size() int
list<A>->size() int
map<A,B>->size() int
type(A) type
dyn(A) dyn
bool(bool) bool
bool(string) bool
bytes(bytes) bytes
bytes(string) bytes
double(double) double
double(int) double
double(uint) double
double(string) double
int(int) int
int(uint) int
int(double) int
int(string) int
int(timestamp) int
int(duration) int
uint(uint) uint
uint(int) uint
uint(double) uint
uint(string) uint
string(string) string
string(bool) string
string(int) string
string(uint) string
string(double) string
string(bytes) string
string(timestamp) string
string(duration) string
string(net.IP) string
string(net.CIDR) string
string(kubernetes.URL) string
string(kubernetes.Quantity) string
duration(string) duration
duration(duration) duration
duration(int) duration
timestamp(string) timestamp
timestamp(timestamp) timestamp
timestamp(int) timestamp
matches(string, string) bool
string->matches(string) bool
string->contains,startsWith,endsWith(string) bool
timestamp->getDate,getDayOfMonth,getDayOfWeek,getDayOfYear,getFullYear,getMonth() int
timestamp->getDate,getDayOfMonth,getDayOfWeek,getDayOfYear,getFullYear,getMonth(string) int
timestamp->getHours,getMinutes,getSeconds,getMilliseconds() int
timestamp->getHours,getMinutes,getSeconds,getMilliseconds(string) int
duration->getHours,getMinutes,getSeconds,getMilliseconds() int
optional.none() optional<A>
optional.of(A) optional<A>
optional.ofNonZeroValue(A) optional<A>
optional<A>->hasValue() bool
optional<A>->value() A
optional<A>->or(optional<A>) optional<A>
optional<A>->orValue(A) A
optional.unwrap(list<optional<A>>) list<A>
list<optional<A>>->unwrapOpt() list<A>
string->charAt(int) string
string->indexOf,lastIndexOf(string) int
string->indexOf,lastIndexOf(string, int) int
string->lowerAscii,upperAscii,trim,reverse() string
string->replace(string, string) string
string->replace(string, string, int) string
string->split(string) list<string>
string->split(string, int) list<string>
string->substring(int) string
string->substring(int, int) string
string->format(list<dyn>) string
list<string>->join() string
list<string>->join(string) string
strings.quote(string) string
string->find(string) string
string->findAll(string) list<string>
string->findAll(string, int) list<string>
regex.replace(string, string, string) string
regex.replace(string, string, string, int) string
regex.extract(string, string) optional<string>
regex.extractAll(string, string) list<string>
math.greatest,math.least(int...) int
math.greatest,math.least(uint...) uint
math.greatest,math.least(double...) double
math.greatest,math.least(list<int>) int
math.greatest,math.least(list<uint>) uint
math.greatest,math.least(list<double>) double
math.greatest,math.least(list<dyn>) dyn
math.greatest,math.least(dyn...) dyn
math.ceil,math.floor,math.round,math.trunc(double) double
math.isInf,math.isNaN,math.isFinite(double) bool
math.abs,math.sign(int) int
math.abs,math.sign(uint) uint
math.abs,math.sign(double) double
math.sqrt(int) double
math.sqrt(uint) double
math.sqrt(double) double
math.bitAnd,math.bitOr,math.bitXor(int, int) int
math.bitAnd,math.bitOr,math.bitXor(uint, uint) uint
math.bitNot(int) int
math.bitNot(uint) uint
math.bitShiftLeft,math.bitShiftRight(int, int) int
math.bitShiftLeft,math.bitShiftRight(uint, int) uint
base64.encode(bytes) string
base64.decode(string) bytes
sets.contains,sets.equivalent,sets.intersects(list<A>, list<A>) bool
list<A>->distinct,reverse,sort() list<A>
list<list<A>>->flatten() list<A>
list<dyn>->flatten() list<dyn>
list<dyn>->flatten(int) list<dyn>
list<A>->slice(int, int) list<A>
list<A>->first,last() optional<A>
lists.range(int) list<int>
list<A>->isSorted() bool
list<A>->sum,min,max() A
list<A>->indexOf,lastIndexOf(A) int
list<A>->contains(A) bool
list<A>->includes(A) bool
ip(string) net.IP
isIP(string) bool
isIP(net.CIDR) bool
string->isIP() bool
ip.isCanonical(string) bool
net.IP->family() int
net.IP->isUnspecified,isLoopback,isGlobalUnicast,isLinkLocalMulticast,isLinkLocalUnicast() bool
cidr(string) net.CIDR
isCIDR(string) bool
net.CIDR->containsIP(net.IP) bool
net.CIDR->containsIP(string) bool
net.CIDR->containsCIDR(net.CIDR) bool
net.CIDR->containsCIDR(string) bool
net.CIDR->ip() net.IP
net.CIDR->masked() net.CIDR
net.CIDR->prefixLength() int
quantity(string) kubernetes.Quantity
isQuantity(string) bool
kubernetes.Quantity->isGreaterThan,isLessThan(kubernetes.Quantity) bool
kubernetes.Quantity->compareTo(kubernetes.Quantity) int
kubernetes.Quantity->add,sub(kubernetes.Quantity) kubernetes.Quantity
kubernetes.Quantity->add,sub(int) kubernetes.Quantity
kubernetes.Quantity->sign,asInteger() int
kubernetes.Quantity->isInteger() bool
kubernetes.Quantity->asApproximateFloat() double
url(string) kubernetes.URL
isURL(string) bool
kubernetes.URL->getScheme,getHost,getHostname,getPort,getEscapedPath() string
kubernetes.URL->getQuery() map<string,list<string>>
semver(string) kubernetes.Semver
semver(string, bool) kubernetes.Semver
isSemver(string) bool
isSemver(string, bool) bool
kubernetes.Semver->major,minor,patch() int
kubernetes.Semver->isGreaterThan,isLessThan(kubernetes.Semver) bool
kubernetes.Semver->compareTo(kubernetes.Semver) int
format.named(string) optional<kubernetes.NamedFormat>
format.dns1123Label,format.dns1123Subdomain,format.dns1035Label,format.qualifiedName() kubernetes.NamedFormat
format.dns1123LabelPrefix,format.dns1123SubdomainPrefix,format.dns1035LabelPrefix() kubernetes.NamedFormat
format.labelValue,format.uri,format.uuid,format.byte,format.date,format.datetime() kubernetes.NamedFormat
kubernetes.NamedFormat->validate(string) optional<list<string>>
image(string) kyverno.Image
isImage(string) bool
kyverno.Image->registry,repository,tag,digest,identifier() string
kyverno.Image->containsDigest() bool
string->registry,repository,tag,digest,identifier() string
string->containsDigest() bool
image.GetMetadata(string) dyn
parseServiceAccount,user.parseServiceAccount(string) dyn
parseImageReference(string) kyverno.Image
image.getMetadata(string) dyn
sha1,sha256,md5,hash.sha1,hash.sha256,hash.md5(string) string
gzip.compress(dyn) bytes
gzip.decompress(bytes) string
x509.decode(string) dyn
random,random.random() string
random,random.random(string) string
resource.get(string, string, string) dyn
resource.get(string, string, string, string) dyn
resource.list(string, string) dyn
resource.list(string, string, string) dyn
resource.toGVR(string, string) dyn
generator.apply(string, list<dyn>) dyn
json.unmarshal(string) dyn
json.marshal(dyn) string
yaml.parse(string) dyn
now,time.now() timestamp
time.truncate(timestamp, duration) timestamp
time.toCron(timestamp) string
transform.listObjToMap,listObjToMap(list<dyn>, list<dyn>, string, string) dyn
JSONPatch.escapeKey,jsonpatch.escapeKey(string) string
resource.Get(string, string, string) dyn
resource.Get(string, string, string, string) dyn
resource.List(string, string) dyn
resource.List(string, string, string) dyn
resource.ToGVR(string, string) dyn
generator.Apply(string, list<dyn>) dyn
kubernetes.Authorizer->path(string) kubernetes.authorizer.PathCheck
kubernetes.Authorizer->group(string) kubernetes.authorizer.GroupCheck
kubernetes.Authorizer->serviceAccount(string, string) kubernetes.Authorizer
kubernetes.authorizer.GroupCheck->resource(string) kubernetes.authorizer.ResourceCheck
kubernetes.authorizer.ResourceCheck->subresource,namespace,name(string) kubernetes.authorizer.ResourceCheck
kubernetes.authorizer.ResourceCheck->check(string) kubernetes.authorizer.Decision
kubernetes.authorizer.PathCheck->check(string) kubernetes.authorizer.Decision
kubernetes.authorizer.Decision->allowed,errored() bool
kubernetes.authorizer.Decision->reason,error() string
";

/// Functions by name.
pub(crate) fn built_in() -> &'static HashMap<String, Vec<Overload>> {
    static TABLES: OnceLock<HashMap<String, Vec<Overload>>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut out: HashMap<String, Vec<Overload>> = HashMap::new();
        for (names, overload) in TABLE.lines().filter_map(read) {
            for name in names.split(',') {
                out.entry(name.to_owned()).or_default().push(overload.clone());
            }
        }
        out
    })
}

/// Splits at the commas that stand in no angle brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            ',' if depth == 0 => {
                out.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    out.extend((!last.is_empty()).then_some(last));
    out
}

/// A line of the table.
fn read(line: &str) -> Option<(&str, Overload)> {
    let open = line.find('(')?;
    let (head, tail) = line.split_at(open);
    let (parameters, result) = tail[1..].split_once(')')?;
    let (receiver, names) = head
        .split_once("->")
        .map_or((None, head), |(receiver, names)| (Some(receiver), names));
    let variadic = parameters.ends_with("...");
    let parameters = split(parameters.trim_end_matches('.'));
    Some((
        names,
        Overload {
            method: receiver.is_some(),
            parameters: receiver.into_iter().chain(parameters).map(Type::read).collect(),
            variadic,
            result: Type::read(result.trim()),
        },
    ))
}
