"""scikit-learn estimators, fitted on tiny data, by pickle and by joblib; scipy objects."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator

import joblib
import numpy as np
import scipy.interpolate
import scipy.sparse
import scipy.spatial
import scipy.stats
from sklearn import (
    cluster,
    compose,
    covariance,
    cross_decomposition,
    decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    feature_extraction,
    feature_selection,
    gaussian_process,
    impute,
    isotonic,
    kernel_approximation,
    linear_model,
    manifold,
    mixture,
    model_selection,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    random_projection,
    semi_supervised,
    svm,
    tree,
)

from tests.corpus.case import Case

_RNG = np.random.RandomState(0)
X = np.abs(_RNG.rand(30, 4))
Y = np.arange(30) % 3
TARGET = X @ np.arange(4.0)
TEXTS = ["a small boat", "a big lock", "the lock weighs", "a boat sinks"] * 3


def _classifiers() -> list[object]:
    return [
        linear_model.LogisticRegression(),
        linear_model.SGDClassifier(max_iter=5, tol=None),
        linear_model.Perceptron(),
        linear_model.RidgeClassifier(),
        linear_model.PassiveAggressiveClassifier()
        if hasattr(linear_model, "PassiveAggressiveClassifier")
        else linear_model.Perceptron(),
        svm.SVC(probability=False),
        svm.LinearSVC(),
        svm.NuSVC(nu=0.1),
        tree.DecisionTreeClassifier(),
        tree.ExtraTreeClassifier(),
        ensemble.RandomForestClassifier(3),
        ensemble.ExtraTreesClassifier(3),
        ensemble.GradientBoostingClassifier(n_estimators=3),
        ensemble.HistGradientBoostingClassifier(max_iter=3),
        ensemble.AdaBoostClassifier(n_estimators=3),
        ensemble.BaggingClassifier(n_estimators=3),
        ensemble.VotingClassifier([("a", naive_bayes.GaussianNB()), ("b", tree.DecisionTreeClassifier())]),
        ensemble.StackingClassifier([("a", naive_bayes.GaussianNB())], cv=2),
        naive_bayes.GaussianNB(),
        naive_bayes.MultinomialNB(),
        naive_bayes.BernoulliNB(),
        neighbors.KNeighborsClassifier(),
        neighbors.KNeighborsClassifier(algorithm="ball_tree"),
        neighbors.NearestCentroid(),
        neural_network.MLPClassifier((4,), max_iter=3),
        discriminant_analysis.LinearDiscriminantAnalysis(),
        discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.5),
        gaussian_process.GaussianProcessClassifier(),
        dummy.DummyClassifier(),
        multiclass.OneVsRestClassifier(linear_model.LogisticRegression()),
        semi_supervised.LabelPropagation(max_iter=3),
        model_selection.GridSearchCV(tree.DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2),
        pipeline.make_pipeline(preprocessing.StandardScaler(), svm.SVC()),
    ]


def _regressors() -> list[object]:
    return [
        linear_model.LinearRegression(),
        linear_model.Ridge(),
        linear_model.Lasso(),
        linear_model.ElasticNet(),
        linear_model.BayesianRidge(),
        linear_model.HuberRegressor(),
        linear_model.SGDRegressor(max_iter=5, tol=None),
        svm.SVR(),
        tree.DecisionTreeRegressor(),
        ensemble.RandomForestRegressor(3),
        ensemble.GradientBoostingRegressor(n_estimators=3),
        ensemble.HistGradientBoostingRegressor(max_iter=3),
        ensemble.IsolationForest(n_estimators=3),
        neighbors.KNeighborsRegressor(),
        neural_network.MLPRegressor(hidden_layer_sizes=(4,), max_iter=3),
        gaussian_process.GaussianProcessRegressor(
            gaussian_process.kernels.RBF() + gaussian_process.kernels.WhiteKernel()
        ),
        cross_decomposition.PLSRegression(),
        isotonic.IsotonicRegression(),
    ]


def _transformers() -> list[object]:
    return [
        preprocessing.StandardScaler(),
        preprocessing.MinMaxScaler(),
        preprocessing.RobustScaler(),
        preprocessing.OneHotEncoder(),
        preprocessing.OrdinalEncoder(),
        preprocessing.PolynomialFeatures(),
        preprocessing.QuantileTransformer(n_quantiles=5),
        preprocessing.PowerTransformer(),
        preprocessing.KBinsDiscretizer(3),
        preprocessing.SplineTransformer(),
        decomposition.PCA(2),
        decomposition.NMF(2, max_iter=5),
        decomposition.TruncatedSVD(2),
        decomposition.LatentDirichletAllocation(2, max_iter=2),
        decomposition.FastICA(2, max_iter=5),
        cluster.KMeans(2, n_init=1),
        cluster.DBSCAN(),
        cluster.MiniBatchKMeans(2, n_init=1),
        cluster.Birch(n_clusters=2),
        mixture.GaussianMixture(2),
        covariance.EmpiricalCovariance(),
        manifold.Isomap(n_neighbors=5),
        feature_selection.SelectKBest(k=2),
        feature_selection.VarianceThreshold(),
        impute.SimpleImputer(),
        impute.KNNImputer(),
        random_projection.GaussianRandomProjection(2),
        kernel_approximation.RBFSampler(n_components=3),
        neighbors.NearestNeighbors(),
        neighbors.KernelDensity(),
        compose.ColumnTransformer([("a", preprocessing.StandardScaler(), [0, 1])]),
    ]


def _texts() -> list[object]:
    return [
        feature_extraction.text.CountVectorizer(),
        feature_extraction.text.TfidfVectorizer(),
        feature_extraction.text.HashingVectorizer(n_features=16),
    ]


def fitted() -> Iterator[tuple[str, object]]:
    """Fit every estimator; the number keeps names apart."""
    groups = ((_classifiers(), (X, Y)), (_regressors(), (X, TARGET)), (_transformers(), (X, Y)), (_texts(), (TEXTS,)))
    for estimators, data in groups:
        for number, estimator in enumerate(estimators):
            arguments = (X[:, 0], TARGET) if isinstance(estimator, isotonic.IsotonicRegression) else data
            yield f"{type(estimator).__name__}-{number}", estimator.fit(*arguments)
    yield "LabelEncoder", preprocessing.LabelEncoder().fit(["a", "b"])
    yield "MultiLabelBinarizer", preprocessing.MultiLabelBinarizer().fit([(1, 2), (3,)])
    yield "DictVectorizer", feature_extraction.DictVectorizer().fit([{"a": 1}, {"b": 2}])


def scipy_objects() -> Iterator[tuple[str, object]]:
    """Make objects of scipy that people keep in files."""
    dense = np.eye(3)
    for name in (
        "csr_matrix",
        "csc_matrix",
        "coo_matrix",
        "bsr_matrix",
        "dia_matrix",
        "lil_matrix",
        "dok_matrix",
        "csr_array",
        "coo_array",
    ):
        yield f"sparse-{name}", getattr(scipy.sparse, name)(dense)
    yield "interp1d", scipy.interpolate.interp1d([0, 1, 2], [0, 1, 4])
    yield "cubic-spline", scipy.interpolate.CubicSpline([0, 1, 2], [0, 1, 4])
    yield "b-spline", scipy.interpolate.BSpline([0, 1, 2, 3], [1.0, 2.0], 1)
    yield "kd-tree", scipy.spatial.cKDTree(X)
    # No distribution of scipy.stats: restoring one executes the source text that its state holds.
    yield "kde", scipy.stats.gaussian_kde(X[:, 0])
    yield "rotation", scipy.spatial.transform.Rotation.identity()


def _dumped(value: object, compress: object = 0) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress)
    return buffer.getvalue()


def cases() -> Iterator[Case]:
    """Make a file per estimator, pickle and joblib in turn, a third of the latter compressed."""
    for number, (name, estimator) in enumerate(fitted()):
        if number % 2:
            yield Case(f"sklearn-{name}-{number}.pkl", pickle.dumps(estimator, 2 + number % 4))
        else:
            yield Case(
                f"sklearn-{name}-{number}.joblib",
                _dumped(estimator, ("zlib", 3) if number % 3 == 0 else 0),
                "joblib_load",
            )
    for name, value in scipy_objects():
        yield Case(f"scipy-{name}.pkl", pickle.dumps(value))
    together = {
        "model": linear_model.LinearRegression().fit(X, TARGET),
        "scaler": preprocessing.StandardScaler().fit(X),
        "version": 3,
    }
    for compression in ("zlib", "gzip", "bz2", "xz", "lzma", "lz4"):
        yield Case(
            f"sklearn-together-{compression}.joblib",
            _dumped(together, compression if compression == "lz4" else (compression, 3)),
            "joblib_load",
        )
