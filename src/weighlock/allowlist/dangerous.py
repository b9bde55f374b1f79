"""Names that are dangerous, not just unknown. An addition to the exact allowlist, never the judge of what may pass.

A name from the standard library that is neither data nor approvable is dangerous, whatever it is: that library
is full of functions that run what they are given. Of other libraries the published gadgets are listed.

Source:
    The module names of CPython 2.7 to 3.15; the advisories of pickle scanners up to November 2026.
"""

from __future__ import annotations

# sys.stdlib_module_names of 3.11 together with modules that older and newer versions have, and Python 2 names:
# written down, so that the verdict does not depend on the Python that judges.
STANDARD_LIBRARY = frozenset(
    """
    __future__ __main__ _abc _aix_support _android_support _apple_support _ast _ast_unparse _asyncio _bisect _blake2
    _bootsubprocess _bz2 _codecs _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw
    _collections _collections_abc _colorize _compat_pickle _compression _contextvars _crypt _csv _ctypes
    _curses _curses_panel _datetime _dbm _decimal _elementtree _frozen_importlib
    _frozen_importlib_external _functools _gdbm _hashlib _heapq _hmac _imp _interpchannels _interpqueues
    _interpreters _io _ios_support _json _locale _lsprof _lzma _markupbase _md5 _missing_stdlib_info _msi
    _multibytecodec _multiprocessing _opcode _opcode_metadata _operator _osx_support _overlapped _pickle
    _posixshmem _posixsubprocess _py_abc _py_warnings _pydatetime _pydecimal _pyio _pylong _pyrepl _queue
    _random _remote_debugging _scproxy _sha1 _sha2 _sha256 _sha3 _sha512 _signal _sitebuiltins _socket _sqlite3 _sre
    _ssl _stat _statistics _string _strptime _struct _suggestions _symtable _sysconfig _testcapi
    _testinternalcapi _thread _threading_local _tkinter _tokenize _tracemalloc _types _typing _uuid _warnings
    _weakref _weakrefset _winapi _wmi _zoneinfo _zstd abc aifc annotationlib antigravity argparse array ast
    asynchat asyncio asyncore atexit audioop base64 bdb binascii binhex bisect builtins bz2 cProfile
    calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys compileall compression
    concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes curses dataclasses datetime
    dbm decimal difflib dis distutils doctest dummy_threading email encodings ensurepip enum errno
    faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc genericpath
    getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp
    importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox
    mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt
    ntpath nturl2path numbers opcode operator optparse os ossaudiodev parser pathlib pdb pickle pickletools
    pipes pkgutil platform plistlib poplib posix posixpath pprint profile profiling pstats pty pwd py_compile
    pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter runpy
    sched secrets select selectors shelve shlex shutil signal site sitecustomize smtpd smtplib sndhdr socket
    socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct
    subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios test
    textwrap this threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle
    turtledemo types typing unicodedata unittest urllib usercustomize uu uuid venv warnings wave weakref
    webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo
    __builtin__ commands copy_reg cPickle cStringIO StringIO popen2 os2 posixfile new sets user exceptions
    dl compiler bsddb anydbm whichdb dumbdbm dbhash gdbm urllib2 urlparse httplib thread Queue
    SocketServer BaseHTTPServer SimpleHTTPServer CGIHTTPServer xmlrpclib SimpleXMLRPCServer DocXMLRPCServer
    """.split()
)

# Names of the standard library that real objects need and that do nothing by themselves. They are not data:
# a person approves them.
APPROVABLE = frozenset(
    """
    functools.partial re._compile re.Pattern inspect.Signature inspect.Parameter inspect._ParameterKind inspect._empty
    dataclasses._MISSING_TYPE dataclasses._HAS_DEFAULT_FACTORY_CLASS dataclasses.Field
    logging.Logger logging.getLogger string.Template itertools.count itertools.cycle itertools.repeat
    itertools.chain itertools.product threading.local collections.UserString weakref.WeakValueDictionary
    weakref.WeakKeyDictionary numbers.Integral numbers.Real numbers.Number typing.Any typing.Union typing.Optional
    builtins.enumerate builtins.zip builtins.abs builtins.hash builtins.len builtins.max
    builtins.min builtins.sum builtins.sorted builtins.round statistics.NormalDist statistics.mean statistics.median
    random.SystemRandom
    math.log math.exp math.sqrt math.sin math.cos math.tanh math.floor math.ceil math.log1p math.expm1
    operator.add operator.mul operator.sub operator.truediv os.stat_result os.terminal_size
    http.cookiejar.CookieJar
    """.split()
)

# Published gadgets and what resolves, evaluates or fetches by name; whole modules where nothing of them is data.
GADGET_MODULES = frozenset(
    """
    torch.hub torch.package torch.jit.unsupported_tensor_ops torch.utils.bottleneck
    torch.utils.collect_env torch.utils.cpp_extension torch.utils._config_module torch.utils.model_dump
    torch.utils.data.datapipes.utils.decoder torch.utils.checkpoint torch._inductor.codecache
    torch._inductor.compile_worker torch._dynamo.guards torch._C._jit torch.fx.experimental.symbolic_shapes
    torch.distributed.elastic torch.distributed.run torch.distributed.launch torch.multiprocessing.spawn
    torch.serialization torch.onnx.utils torch.testing._internal torch.distributed.rpc
    numpy.f2py numpy.distutils numpy.testing numpy.lib.npyio numpy.lib._npyio_impl numpy.ctypeslib
    numpy.lib.utils numpy.core._ufunc_config numpy.compat numpy.random._examples numpy.lib.format
    numpy.lib._format_impl numpy._utils numpy.testing._private
    pandas.io pandas.core.computation pandas.compat.pickle_compat pandas._testing pandas.util._print_versions
    joblib.memory joblib.func_inspect joblib.externals.cloudpickle joblib.externals.loky joblib.parallel
    cloudpickle dill pip setuptools pkg_resources wheel _distutils_hack ensurepip IPython ipykernel
    jupyter_client jupyter_core ptyprocess pexpect psutil fabric invoke plumbum paramiko sh execnet numba
    jinja2 mako pydoc_data webbrowser requests urllib3 httpx aiohttp fsspec gcsfs s3fs boto3 botocore
    keras.src.saving tensorflow.python.eager torchvision.datasets.utils transformers.dynamic_module_utils
    huggingface_hub scipy.stats._continuous_distns scipy.stats._discrete_distns scipy.weave
    sympy.parsing sympy.utilities.lambdify nose py pytest _pytest coverage
    """.split()
)
GADGETS = frozenset(
    """
    torch.load torch.save torch.jit.load torch.compile torch.export.load torch.ops torch.classes
    torch.jit._script torch.jit.script torch.utils.data._utils.worker._worker_loop torch.storage._load_from_bytes_unsafe
    torch._utils._import_dotted_name torch._C._jit_script_compile torch.distributed.distributed_c10d._tensor_to_object
    torch.from_file torch.UntypedStorage.from_file numpy.load numpy.loadtxt numpy.genfromtxt
    numpy.fromfile numpy.save numpy.savetxt numpy.savez numpy.memmap.tofile numpy.ndarray.tofile
    numpy.ndarray.dump numpy.vectorize numpy.apply_along_axis numpy.frompyfunc numpy.fromfunction
    numpy.piecewise numpy.info numpy.source numpy.lookfor
    pandas.read_pickle pandas.read_csv pandas.read_json pandas.read_html pandas.read_sql pandas.eval
    pandas.read_hdf pandas.read_xml pandas.read_parquet pandas.read_feather pandas.read_table pandas.read_excel
    pandas.DataFrame.eval pandas.DataFrame.query pandas.DataFrame.apply pandas.DataFrame.to_pickle
    pandas.core.frame.DataFrame.eval pandas.core.frame.DataFrame.query pandas.Series.apply
    joblib.load joblib.dump joblib.numpy_pickle.load joblib.numpy_pickle_utils joblib.Parallel joblib.delayed
    sklearn.utils._testing.run sklearn.datasets.fetch_openml sklearn.utils.parallel._FuncWrapper
    keras.models.load_model tensorflow.keras.models.load_model tensorflow.io.read_file tensorflow.io.write_file
    transformers.pipeline transformers.AutoModel.from_pretrained
    """.split()
)


# No module of GADGET_MODULES has more parts; names of a hostile file may have thousands.
_DEEPEST_MODULE = max(name.count(".") + 1 for name in GADGET_MODULES)


def is_dangerous(name: str) -> bool:
    """Tell whether `name` (``module.name``, as Python 3 knows it) is known to run or to fetch what it is given."""
    if name in GADGETS:
        return True
    parts = name.split(".")
    if parts[0] in STANDARD_LIBRARY:
        return name not in APPROVABLE
    return any(".".join(parts[:count]) in GADGET_MODULES for count in range(1, min(len(parts), _DEEPEST_MODULE + 1)))
